import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Calls Salesforce with a token of Valetkey. Java 11 or later, nothing to install.
 *
 * <p>VALETKEY_URL=http://127.0.0.1:8080 VALETKEY_KEY=… java Token.java [integration]
 */
public class Token {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  public static void main(String[] args) throws IOException, InterruptedException {
    String integration = args.length > 0 ? args[0] : "billing";
    String broker = System.getenv("VALETKEY_URL");
    String token = get(broker + "/tokens/" + integration, System.getenv("VALETKEY_KEY"));
    String resources =
        get(
            member(token, "instance_url") + "/services/data/v66.0/",
            member(token, "access_token"));
    System.out.println(resources);
  }

  private static String get(String url, String bearer) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(url))
            .header("Authorization", "Bearer " + bearer)
            .timeout(Duration.ofSeconds(12))
            .build();
    var response = CLIENT.send(request, BodyHandlers.ofString());
    // An error of Valetkey is a problem document: its `code` says what happened.
    if (response.statusCode() != 200) {
      System.err.println(response.statusCode() + " " + response.body());
      System.exit(1);
    }
    return response.body();
  }

  /** Enough for the plain text members of this answer; use your JSON library in real code. */
  private static String member(String json, String name) {
    Matcher found = Pattern.compile('"' + name + "\":\"([^\"]*)\"").matcher(json);
    if (!found.find()) throw new IllegalStateException("no " + name);
    return found.group(1);
  }
}
