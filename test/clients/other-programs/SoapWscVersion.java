import com.sforce.soap.partner.PartnerConnection;
import com.sforce.ws.ConnectorConfig;

/** A version that is none. */
public class SoapWscVersion {
  public static void main(String[] arguments) throws Exception {
    var integration = System.getenv("VALETKEY_INTEGRATION");
    var config = new ConnectorConfig();
    config.setAuthEndpoint(
        System.getenv("VALETKEY_URL") + "/login/" + integration + "/services/Soap/u/latest");
    config.setUsername(integration);
    config.setPassword(System.getenv("VALETKEY_KEY"));
    new PartnerConnection(config);
  }
}
