import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Scanner;

/** The OAuth SDK of Nimbus with the client credentials grant. docs/clients.md explains the settings. */
public class Nimbus {
  static final String VALETKEY_URL = System.getenv("VALETKEY_URL");
  static final String INTEGRATION =
      System.getenv().getOrDefault("VALETKEY_INTEGRATION", "billing");
  static final HttpClient HTTP = HttpClient.newHttpClient();

  static String authorization;
  static String instanceUrl;

  static void login() throws Exception {
    var client =
        new ClientSecretBasic(
            new ClientID(System.getenv("VALETKEY_KEY_ID")),
            new Secret(System.getenv("VALETKEY_KEY")));
    var endpoint = URI.create(VALETKEY_URL + "/oauth/token");
    var request =
        new TokenRequest.Builder(endpoint, client, new ClientCredentialsGrant())
            .scope(new Scope("integration:" + INTEGRATION))
            .build();
    var response = TokenResponse.parse(request.toHTTPRequest().send());
    if (!response.indicatesSuccess()) {
      var error = response.toErrorResponse().getErrorObject();
      throw new Exception(error.getCode() + ": " + error.getDescription());
    }
    var success = response.toSuccessResponse();
    authorization = success.getTokens().getAccessToken().toAuthorizationHeader();
    instanceUrl = (String) success.getCustomParameters().get("instance_url");
  }

  static HttpResponse<String> query() throws Exception {
    var soql = URLEncoder.encode("SELECT Id FROM Organization", StandardCharsets.UTF_8);
    var url = URI.create(instanceUrl + "/services/data/v66.0/query?q=" + soql);
    var request = HttpRequest.newBuilder(url).header("Authorization", authorization).build();
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
  }

  static void call() throws Exception {
    var response = query();
    if (response.statusCode() == 401) {
      login();
      response = query();
    }
    if (response.statusCode() != 200) throw new Exception(response.body());
    System.out.println(response.body());
  }

  public static void main(String[] arguments) throws Exception {
    // Calls Salesforce once, and once more for each line of the input.
    login();
    call();
    for (var input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) call();
  }
}
