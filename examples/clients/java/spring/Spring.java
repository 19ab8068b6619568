import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Scanner;
import org.springframework.security.oauth2.client.AuthorizedClientServiceOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.InMemoryOAuth2AuthorizedClientService;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientProviderBuilder;
import org.springframework.security.oauth2.client.endpoint.RestClientClientCredentialsTokenResponseClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.InMemoryClientRegistrationRepository;
import org.springframework.security.oauth2.core.AuthorizationGrantType;

/** Spring Security with the client credentials grant. docs/clients.md explains the settings. */
public class Spring {
  static final String VALETKEY_URL = System.getenv("VALETKEY_URL");
  static final String INTEGRATION =
      System.getenv().getOrDefault("VALETKEY_INTEGRATION", "billing");
  static final String ID = "salesforce";
  static final HttpClient HTTP = HttpClient.newHttpClient();

  static final InMemoryClientRegistrationRepository REGISTRATIONS =
      new InMemoryClientRegistrationRepository(
          ClientRegistration.withRegistrationId(ID)
              .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
              .clientId(System.getenv("VALETKEY_KEY_ID"))
              .clientSecret(System.getenv("VALETKEY_KEY"))
              .tokenUri(VALETKEY_URL + "/oauth/token")
              .scope("integration:" + INTEGRATION)
              .build());
  static final InMemoryOAuth2AuthorizedClientService CLIENTS =
      new InMemoryOAuth2AuthorizedClientService(REGISTRATIONS);
  static final AuthorizedClientServiceOAuth2AuthorizedClientManager MANAGER =
      new AuthorizedClientServiceOAuth2AuthorizedClientManager(REGISTRATIONS, CLIENTS);

  static volatile String instanceUrl;

  static {
    var tokens = new RestClientClientCredentialsTokenResponseClient();
    MANAGER.setAuthorizedClientProvider(
        OAuth2AuthorizedClientProviderBuilder.builder()
            .clientCredentials(
                // Spring keeps the token alone. The answer also says where the token is good.
                grant ->
                    grant.accessTokenResponseClient(
                        request -> {
                          var response = tokens.getTokenResponse(request);
                          instanceUrl =
                              (String) response.getAdditionalParameters().get("instance_url");
                          return response;
                        }))
            .build());
  }

  static HttpResponse<String> query() throws Exception {
    var client =
        MANAGER.authorize(
            OAuth2AuthorizeRequest.withClientRegistrationId(ID).principal(INTEGRATION).build());
    var soql = URLEncoder.encode("SELECT Id FROM Organization", StandardCharsets.UTF_8);
    var url = URI.create(instanceUrl + "/services/data/v66.0/query?q=" + soql);
    var bearer = "Bearer " + client.getAccessToken().getTokenValue();
    var request = HttpRequest.newBuilder(url).header("Authorization", bearer).build();
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
  }

  static void call() throws Exception {
    var response = query();
    if (response.statusCode() == 401) {
      CLIENTS.removeAuthorizedClient(ID, INTEGRATION);
      response = query();
    }
    if (response.statusCode() != 200) throw new Exception(response.body());
    System.out.println(response.body());
  }

  public static void main(String[] arguments) throws Exception {
    // Calls Salesforce once, and once more for each line of the input.
    call();
    for (var input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) call();
  }
}
