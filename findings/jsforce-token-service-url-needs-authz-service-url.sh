#!/bin/sh
# jsforce 3.10.26: the OAuth2 option `tokenServiceUrl` has no effect unless `authzServiceUrl` is given,
# too. With it alone, tokens are asked of `/services/oauth2/token` at the login URL, with client id and
# secret, and nothing says that the setting was left out of account. It hurts who sends jsforce to a
# token service of the company: its own path stays without requests, and the login URL gets them.
# `revokeServiceUrl` stands under the same condition. Give all three together.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# jsforce 3.10.26 asks for Node 22 or later.
npm install --silent --no-audit --no-fund --no-save jsforce@3.10.26

cat > urls.mjs <<'JS'
import { createServer } from 'node:http'
import { once } from 'node:events'
import jsforce from 'jsforce'
const server = createServer((request, response) => {
  console.log(`  ${request.method} ${request.url}`)
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end('{"access_token":"00D!x","instance_url":"https://acme.my.salesforce.com"}')
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const loginUrl = `http://127.0.0.1:${server.address().port}`
const tokenServiceUrl = `${loginUrl}/company/token`
for (const rest of [{}, { authzServiceUrl: `${loginUrl}/company/authorize` }]) {
  const options = { loginUrl, tokenServiceUrl, clientId: 'id', clientSecret: 'secret', ...rest }
  console.log(`given: ${['tokenServiceUrl', ...Object.keys(rest)].join(', ')}`)
  await new jsforce.OAuth2(options).requestToken({ grant_type: 'client_credentials' })
}
server.close()
server.closeAllConnections()
JS
seen=$(node urls.mjs)
echo "$seen"
[ "$seen" = "given: tokenServiceUrl
  POST /services/oauth2/token
given: tokenServiceUrl, authzServiceUrl
  POST /company/token" ] || { echo 'this has changed'; exit 1; }
