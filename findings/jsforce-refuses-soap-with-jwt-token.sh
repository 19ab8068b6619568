#!/bin/sh
# jsforce 3.10.26, default API version 50.0: with an access token in the form of a JWT, REST calls go out,
# and SOAP calls (`conn.soap`, `conn.metadata`) are refused in the library, before any request, for
# versions below 68.0. The same Connection works for queries, so the cause shows only when something
# deploys metadata, maybe months after an administrator let an app issue tokens as JWTs. Set
# `version: '68.0'` or later on the Connection.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# jsforce 3.10.26 asks for Node 22 or later.
npm install --silent --no-audit --no-fund --no-save jsforce@3.10.26

cat > soap.mjs <<'JS'
import { createServer } from 'node:http'
import { once } from 'node:events'
import jsforce from 'jsforce'
let requests = 0
const server = createServer((request, response) => {
  requests++
  request.resume()
  if (!request.url.includes('/Soap/')) {
    response.writeHead(200, { 'content-type': 'application/json' })
    return response.end('{"done":true,"totalSize":0,"records":[]}')
  }
  response.writeHead(200, { 'content-type': 'text/xml' })
  response.end('<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    + '<describeMetadataResponse><result><organizationNamespace/></result></describeMetadataResponse>'
    + '</soapenv:Body></soapenv:Envelope>')
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const accessToken = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ sub: 'uid:005' })}.c2lnbmF0dXJl`
const instanceUrl = `http://127.0.0.1:${server.address().port}`
for (const version of [undefined, '68.0']) {
  const connection = new jsforce.Connection({ instanceUrl, accessToken, ...(version && { version }) })
  for (const [name, call] of [
    ['REST', () => connection.query('SELECT Id FROM Account')],
    ['SOAP', () => connection.metadata.describe()],
  ]) {
    requests = 0
    const said = await call().then(() => 'answered', (error) => error.message.split(' versions below ')[0])
    console.log(`${connection.version} ${name}: ${requests} requests, ${said}`)
  }
}
server.close()
server.closeAllConnections()
JS
seen=$(node soap.mjs)
echo "$seen"
[ "$seen" = "50.0 REST: 1 requests, answered
50.0 SOAP: 0 requests, SOAP API does not support JWT-based access tokens for API
68.0 REST: 1 requests, answered
68.0 SOAP: 1 requests, answered" ] || { echo 'this has changed'; exit 1; }
