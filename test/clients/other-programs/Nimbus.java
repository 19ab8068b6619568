import com.nimbusds.oauth2.sdk.ResourceOwnerPasswordCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import java.net.URI;

/** The password grant. */
public class Nimbus {
  public static void main(String[] arguments) throws Exception {
    var client =
        new ClientSecretBasic(
            new ClientID(System.getenv("VALETKEY_KEY_ID")),
            new Secret(System.getenv("VALETKEY_KEY")));
    var endpoint = URI.create(System.getenv("VALETKEY_URL") + "/oauth/token");
    var grant = new ResourceOwnerPasswordCredentialsGrant("a", new Secret("b"));
    var request =
        new TokenRequest.Builder(endpoint, client, grant)
            .scope(new Scope("integration:" + System.getenv("VALETKEY_INTEGRATION")))
            .build();
    var response = TokenResponse.parse(request.toHTTPRequest().send());
    var error = response.toErrorResponse().getErrorObject();
    throw new Exception(error.getCode() + ": " + error.getDescription());
  }
}
