import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Scanner;
import java.util.regex.Pattern;

/**
 * Experimental. Calls Salesforce with tokens that work with a proof only: Valetkey has the key, and
 * signs a proof for each try. docs/dpop.md explains it. Java 17 or later, nothing to install.
 */
public class Dpop {
  /** For a nonce, a dead session, and the nonce of the next token. */
  static final int TRIES = 4;

  /** It follows no redirects, which would need another proof. */
  static final HttpClient CLIENT = HttpClient.newHttpClient();

  static final String INTEGRATION =
      System.getenv().getOrDefault("VALETKEY_INTEGRATION", "billing");

  /** The token, and a proof for the request, if there is one. `wants`: what the former try lacked. */
  static String prove(HttpRequest request, String wants) throws IOException, InterruptedException {
    // The proof covers the URL up to the query.
    var requests =
        request == null
            ? "[]"
            : "[{\"method\":\"%s\",\"url\":\"%s\"}]"
                .formatted(request.method(), request.uri().toASCIIString());
    var asked =
        HttpRequest.newBuilder(
                URI.create(
                    System.getenv("VALETKEY_URL") + "/tokens/" + INTEGRATION + "/proofs"))
            .header("Authorization", "Bearer " + System.getenv("VALETKEY_KEY"))
            .header("Content-Type", "application/json")
            .timeout(Duration.ofSeconds(12))
            .POST(BodyPublishers.ofString("{\"requests\":" + requests + wants + "}"))
            .build();
    var answer = CLIENT.send(asked, BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IOException(
          "Valetkey: " + member(answer.body(), "code") + ": " + member(answer.body(), "detail"));
    }
    return answer.body();
  }

  /** Sends a request to Salesforce. Its body must be one that can be sent again. */
  static <Body> HttpResponse<Body> send(HttpRequest request, BodyHandler<Body> handler)
      throws IOException, InterruptedException {
    var wants = "";
    for (var tries = 1; ; tries += 1) {
      var given = prove(request, wants);
      var attempt =
          HttpRequest.newBuilder(request, (name, value) -> true)
              .setHeader("Authorization", "DPoP " + member(given, "access_token"))
              .setHeader("DPoP", member(given, "proofs"))
              .build();
      var answer = CLIENT.send(attempt, handler);
      wants = wantsAfter(answer, member(given, "token_id"), wants);
      if (wants.isEmpty() || tries == TRIES) return answer;
    }
  }

  /** What the next try wants after this answer. `had`: what this try wanted. Empty: there is none. */
  static String wantsAfter(HttpResponse<?> answer, String tokenId, String had) {
    var nonce = answer.headers().firstValue("DPoP-Nonce").orElse("");
    var status = answer.statusCode();
    // A second refusal is not for want of a nonce.
    var isFirst = !had.contains("\"nonce\"");
    if (isFirst && !nonce.isEmpty() && (status == 400 || status == 401)) return wants("nonce", nonce);
    return status == 401 ? wants("rejected", tokenId) : "";
  }

  static String wants(String name, String value) {
    return ",\"%s\":\"%s\"".formatted(name, value.replaceAll("[\"\\\\]", "\\\\$0"));
  }

  /** Enough for the text members of this answer; use your JSON library in real code. */
  static String member(String json, String name) {
    var found = Pattern.compile('"' + name + "\":\\[?\"([^\"]*)\"").matcher(json);
    if (!found.find()) throw new IllegalStateException("no " + name);
    return found.group(1);
  }

  static void call(String instanceUrl) throws IOException, InterruptedException {
    var url = instanceUrl + "/services/data/v66.0/query?q=SELECT+Id+FROM+Organization";
    var request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(30)).build();
    var answer = send(request, BodyHandlers.ofString());
    if (answer.statusCode() != 200) throw new IOException("Salesforce: " + answer.statusCode());
    System.out.println(member(answer.body(), "Id"));
  }

  public static void main(String[] arguments) throws Exception {
    var instanceUrl = member(prove(null, ""), "instance_url");
    // Calls Salesforce once, and once more for each line of the input.
    call(instanceUrl);
    for (var input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) {
      call(instanceUrl);
    }
  }
}
