import com.sforce.soap.partner.PartnerConnection;
import com.sforce.ws.ConnectorConfig;

/** A call of the SOAP API at the login URL. */
public class SoapWscOperation {
  public static void main(String[] arguments) throws Exception {
    var integration = System.getenv("VALETKEY_INTEGRATION");
    var config = new ConnectorConfig();
    config.setManualLogin(true);
    config.setServiceEndpoint(
        System.getenv("VALETKEY_URL") + "/login/" + integration + "/services/Soap/u/65.0");
    config.setSessionId("a-token");
    new PartnerConnection(config).getUserInfo();
  }
}
