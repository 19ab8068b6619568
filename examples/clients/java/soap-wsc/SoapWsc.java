import com.sforce.soap.partner.PartnerConnection;
import com.sforce.ws.ConnectionException;
import com.sforce.ws.ConnectorConfig;
import com.sforce.ws.SessionRenewer;
import java.util.Scanner;
import javax.xml.namespace.QName;

/** The Force.com Web Service Connector with SOAP login. docs/soap-login.md explains the settings. */
public class SoapWsc {
  static final String VALETKEY_URL = System.getenv("VALETKEY_URL");
  static final String INTEGRATION =
      System.getenv().getOrDefault("VALETKEY_INTEGRATION", "billing");
  static final QName SESSION = new QName("urn:partner.soap.sforce.com", "SessionHeader");

  static ConnectorConfig config() {
    var config = new ConnectorConfig();
    config.setAuthEndpoint(VALETKEY_URL + "/login/" + INTEGRATION + "/services/Soap/u/65.0");
    config.setUsername(INTEGRATION);
    config.setPassword(System.getenv("VALETKEY_KEY"));
    // It waits without end by default.
    config.setConnectionTimeout(10_000);
    config.setReadTimeout(30_000);
    config.setSessionRenewer(SoapWsc::renew);
    return config;
  }

  /** Logs in again. The connection then repeats the call with this header. */
  static SessionRenewer.SessionRenewalHeader renew(ConnectorConfig config)
      throws ConnectionException {
    var renewed = new PartnerConnection(config());
    config.setSessionId(renewed.getConfig().getSessionId());
    config.setServiceEndpoint(renewed.getConfig().getServiceEndpoint());
    var header = new SessionRenewer.SessionRenewalHeader();
    header.name = SESSION;
    header.headerElement = renewed.getSessionHeader();
    return header;
  }

  static void call(PartnerConnection connection) throws ConnectionException {
    var result = connection.query("SELECT Id FROM Organization");
    System.out.println(result.getRecords()[0].getId());
  }

  public static void main(String[] arguments) throws Exception {
    var connection = new PartnerConnection(config());
    // Calls Salesforce once, and once more for each line of the input.
    call(connection);
    for (var input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) {
      call(connection);
    }
  }
}
