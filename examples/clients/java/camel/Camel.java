import java.util.Scanner;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.component.salesforce.AuthenticationType;
import org.apache.camel.component.salesforce.SalesforceComponent;
import org.apache.camel.impl.DefaultCamelContext;

/** Apache Camel with the client credentials grant. docs/clients.md explains the settings. */
public class Camel {
  public static void main(String[] arguments) throws Exception {
    var integration = System.getenv().getOrDefault("VALETKEY_INTEGRATION", "billing");
    var salesforce = new SalesforceComponent();
    salesforce.setLoginUrl(System.getenv("VALETKEY_URL") + "/login/" + integration);
    salesforce.setClientId(System.getenv("VALETKEY_KEY_ID"));
    salesforce.setClientSecret(System.getenv("VALETKEY_KEY"));
    salesforce.setAuthenticationType(AuthenticationType.CLIENT_CREDENTIALS);

    try (var camel = new DefaultCamelContext()) {
      camel.addComponent("salesforce", salesforce);
      camel.addRoutes(
          new RouteBuilder() {
            @Override
            public void configure() {
              from("direct:call")
                  .to("salesforce:query?rawPayload=true&sObjectQuery=SELECT Id FROM Organization");
            }
          });
      camel.start();
      var calls = camel.createProducerTemplate();

      // Calls Salesforce once, and once more for each line of the input.
      System.out.println(calls.requestBody("direct:call", (Object) null, String.class));
      for (var input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) {
        System.out.println(calls.requestBody("direct:call", (Object) null, String.class));
      }
    }
  }
}
