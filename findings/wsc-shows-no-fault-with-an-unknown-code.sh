#!/bin/sh
# Force.com Web Service Connector 65.0.0 (com.force.api:force-wsc) with the stubs of force-partner-api: the
# `exceptionCode` of a login fault must be one of the codes that the stubs were generated with. Any other one,
# such as one of a newer API, is not shown: the caller gets "Failed to parse detail" in place of a LoginFault, with
# neither the code nor the text of the fault. It hurts who words faults for such clients: a precise code of
# one's own hides the message. Keep to codes of the client's own version, and put the rest into the text.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>fault</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.force.api</groupId>
      <artifactId>force-partner-api</artifactId>
      <version>65.0.0</version>
    </dependency>
  </dependencies>
</project>
XML
mvn --batch-mode --quiet dependency:copy-dependencies -DoutputDirectory=jars

cat > Fault.java <<'JAVA'
import com.sforce.soap.partner.PartnerConnection;
import com.sforce.ws.ConnectorConfig;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Fault {
  static String code;

  public static void main(String[] arguments) throws Exception {
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.createContext("/", exchange -> {
      exchange.getRequestBody().readAllBytes();
      var fault = "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'"
          + " xmlns:sf='urn:fault.partner.soap.sforce.com'"
          + " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><soapenv:Body><soapenv:Fault>"
          + "<faultcode>sf:" + code + "</faultcode><faultstring>" + code + ": wait a minute</faultstring>"
          + "<detail><sf:LoginFault xsi:type='sf:LoginFault'><sf:exceptionCode>" + code
          + "</sf:exceptionCode><sf:exceptionMessage>wait a minute</sf:exceptionMessage></sf:LoginFault>"
          + "</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>";
      exchange.getResponseHeaders().add("Content-Type", "text/xml");
      exchange.sendResponseHeaders(500, fault.length());
      exchange.getResponseBody().write(fault.getBytes());
      exchange.close();
    });
    server.start();
    for (var one : new String[] {"INVALID_LOGIN", "REQUEST_LIMIT_EXCEEDED", "A_LATER_CODE"}) {
      code = one;
      var config = new ConnectorConfig();
      config.setUsername("user");
      config.setPassword("password");
      config.setAuthEndpoint("http://127.0.0.1:" + server.getAddress().getPort() + "/services/Soap/u/65.0");
      try {
        new PartnerConnection(config);
      } catch (Exception error) {
        var said = error.toString();
        System.out.println(one + ": " + error.getClass().getSimpleName()
            + (said.contains("wait a minute") ? ", with its text" : ", without its text")
            + (said.contains("Failed to parse detail") ? ", Failed to parse detail" : ""));
      }
    }
    server.stop(0);
  }
}
JAVA
seen=$(java -cp 'jars/*' Fault.java)
echo "$seen"
[ "$seen" = "INVALID_LOGIN: LoginFault, with its text
REQUEST_LIMIT_EXCEEDED: LoginFault, with its text
A_LATER_CODE: ConnectionException, without its text, Failed to parse detail" ] || { echo 'this has changed'; exit 1; }
