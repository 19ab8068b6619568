import com.sforce.soap.partner.PartnerConnection;
import com.sforce.ws.ConnectorConfig;
import com.sforce.ws.transport.Transport;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Scanner;
import java.util.regex.Matcher;

/**
 * Experimental. The Force.com Web Service Connector with tokens that work with a proof only: its
 * transport puts the token and a proof into each envelope. Beside Dpop.java, with the libraries of
 * examples/clients/java/soap-wsc/pom.xml. docs/dpop.md explains it.
 */
public class DpopSoap {
  static final String NAMESPACE = "urn:partner.soap.sforce.com";

  /** Made by the connector for each call. */
  public static class ProvenTransport implements Transport {
    private final ByteArrayOutputStream envelope = new ByteArrayOutputStream();
    private String url;
    private HashMap<String, String> headers;
    private boolean isSuccessful;

    @Override
    public void setConfig(ConnectorConfig config) {}

    @Override
    public OutputStream connect(String url, HashMap<String, String> headers) {
      this.url = url;
      this.headers = headers;
      return envelope;
    }

    /** The envelope is changed before it is sent, so it is not compressed. */
    @Override
    public OutputStream connect(String url, HashMap<String, String> headers, boolean compresses) {
      return connect(url, headers);
    }

    @Override
    public OutputStream connect(String url, String soapAction) {
      return connect(url, new HashMap<>(Map.of("SOAPAction", '"' + soapAction + '"')));
    }

    @Override
    public InputStream getContent() throws IOException {
      try {
        return send("", 1);
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
        throw new IOException(error);
      }
    }

    @Override
    public boolean isSuccessful() {
      return isSuccessful;
    }

    private InputStream send(String wants, int tries) throws IOException, InterruptedException {
      var request =
          HttpRequest.newBuilder(URI.create(url))
              .timeout(Duration.ofSeconds(30))
              .setHeader("Content-Type", "text/xml; charset=UTF-8")
              .POST(BodyPublishers.noBody())
              .build();
      var given = Dpop.prove(request, wants);
      var text = proven(envelope.toString(StandardCharsets.UTF_8), given);
      var attempt =
          HttpRequest.newBuilder(request, (name, value) -> true).POST(BodyPublishers.ofString(text));
      attempt.setHeader("SOAPAction", headers.getOrDefault("SOAPAction", "\"\""));
      var answer = Dpop.CLIENT.send(attempt.build(), BodyHandlers.ofString());
      isSuccessful = answer.statusCode() == 200;
      // A fault does not tell whether the token or its nonce is over. The next token has both.
      if (!isSuccessful && tries == 1 && answer.body().contains("INVALID_SESSION_ID")) {
        return send(Dpop.wants("rejected", Dpop.member(given, "token_id")), 2);
      }
      return new ByteArrayInputStream(answer.body().getBytes(StandardCharsets.UTF_8));
    }
  }

  /** The envelope with the token, which has no prefix here, and with the proof. */
  static String proven(String envelope, String given) {
    var token = Matcher.quoteReplacement(Dpop.member(given, "access_token"));
    var proof =
        "<DpopProofHeader xmlns=\"%s\"><proof>%s</proof></DpopProofHeader>"
            .formatted(NAMESPACE, Dpop.member(given, "proofs"));
    return envelope
        .replaceFirst("(sessionId[^>]*>)[^<]*", "$1" + token)
        .replaceFirst("</(\\w+:)?Header>", Matcher.quoteReplacement(proof) + "$0");
  }

  static void call(PartnerConnection connection) throws Exception {
    var result = connection.query("SELECT Id FROM Organization");
    System.out.println(result.getRecords()[0].getId());
  }

  public static void main(String[] arguments) throws Exception {
    var config = new ConnectorConfig();
    var instanceUrl = Dpop.member(Dpop.prove(null, ""), "instance_url");
    config.setServiceEndpoint(instanceUrl + "/services/Soap/u/65.0");
    // The transport puts the token in its place.
    config.setSessionId("valetkey");
    config.setTransport(ProvenTransport.class);
    var connection = new PartnerConnection(config);
    // Calls Salesforce once, and once more for each line of the input.
    call(connection);
    for (var input = new Scanner(System.in); input.hasNextLine(); input.nextLine()) {
      call(connection);
    }
  }
}
