#!/bin/sh
# Force.com Web Service Connector 65.0.0 (com.force.api:force-wsc), ConnectorConfig.setSessionRenewer: the
# renewer is called by the words of the fault and not by its code. With `INVALID_SESSION_ID` and a text that
# has "Illegal Session", "Session not found" or "Session timed out", it is called; with the same code and another
# text, it is not, and the fault goes to the caller. It hurts who stands between such a client and Salesforce
# (a gateway, a broker, a simulator) and words its own fault: the client never logs in again.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>renew</artifactId>
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

cat > Renew.java <<'JAVA'
import com.sforce.soap.partner.PartnerConnection;
import com.sforce.ws.ConnectorConfig;
import com.sforce.ws.SessionRenewer;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import javax.xml.namespace.QName;

public class Renew {
  static String text;
  static int renewals;

  public static void main(String[] arguments) throws Exception {
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.createContext("/", exchange -> {
      exchange.getRequestBody().readAllBytes();
      var fault = "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'"
          + " xmlns:sf='urn:fault.partner.soap.sforce.com'><soapenv:Body><soapenv:Fault>"
          + "<faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: " + text
          + "</faultstring><detail><sf:UnexpectedErrorFault xsi:type='sf:UnexpectedErrorFault'"
          + " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><sf:exceptionCode>INVALID_SESSION_ID"
          + "</sf:exceptionCode><sf:exceptionMessage>" + text + "</sf:exceptionMessage>"
          + "</sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>";
      exchange.getResponseHeaders().add("Content-Type", "text/xml");
      exchange.sendResponseHeaders(500, fault.length());
      exchange.getResponseBody().write(fault.getBytes());
      exchange.close();
    });
    server.start();
    var config = new ConnectorConfig();
    config.setManualLogin(true);
    config.setSessionId("old");
    config.setServiceEndpoint("http://127.0.0.1:" + server.getAddress().getPort() + "/services/Soap/u/65.0");
    config.setSessionRenewer(own -> {
      renewals += 1;
      var header = new SessionRenewer.SessionRenewalHeader();
      header.name = new QName("urn:partner.soap.sforce.com", "SessionHeader");
      header.headerElement = new com.sforce.soap.partner.SessionHeader_element();
      return header;
    });
    var connection = new PartnerConnection(config);
    for (var one : new String[] {
      "Illegal Session", "Session not found", "Session timed out", "Session expired or invalid", "The session has ended"
    }) {
      text = one;
      renewals = 0;
      try {
        connection.getUserInfo();
      } catch (Exception error) {
        System.out.println(one + ": renewed " + (renewals == 1 ? "once" : renewals + " times"));
      }
    }
    server.stop(0);
  }
}
JAVA
seen=$(java -cp 'jars/*' Renew.java)
echo "$seen"
[ "$seen" = "Illegal Session: renewed once
Session not found: renewed once
Session timed out: renewed once
Session expired or invalid: renewed 0 times
The session has ended: renewed 0 times" ] || { echo 'this has changed'; exit 1; }
