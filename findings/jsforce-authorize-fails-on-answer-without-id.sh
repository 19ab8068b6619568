#!/bin/sh
# jsforce 3.10.26: `Connection.authorize()` takes a token answer that has all that OAuth 2.0 asks for, and
# `instance_url`, for a failure if `id` (Salesforce's identity URL) is not in it: it throws a TypeError
# about `split` that names neither the member nor the answer. The token was given, and at Salesforce the
# login was counted. It hurts who puts a token service of OAuth 2.0 between jsforce and Salesforce. Such
# a service answers with an `id` of the form https://HOST/id/ORG/USER, or the caller uses
# `OAuth2.requestToken()` and hands `accessToken` and `instanceUrl` to a Connection.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# jsforce 3.10.26 asks for Node 22 or later.
npm install --silent --no-audit --no-fund --no-save jsforce@3.10.26

cat > id.mjs <<'JS'
import { createServer } from 'node:http'
import { once } from 'node:events'
import jsforce from 'jsforce'
let more = {}
const server = createServer((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ access_token: '00D!x', token_type: 'Bearer', instance_url: loginUrl, ...more }))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const loginUrl = `http://127.0.0.1:${server.address().port}`
const oauth2 = { loginUrl, clientId: 'id', clientSecret: 'secret' }
const grant = { grant_type: 'client_credentials' }
const authorize = () => new jsforce.Connection({ oauth2 }).authorize(grant).then(
  () => 'authorized',
  (error) => `${error.name}: ${error.message}`,
)
console.log(`authorize, no id: ${await authorize()}`)
console.log(`requestToken, no id: ${Object.keys(await new jsforce.OAuth2(oauth2).requestToken(grant))}`)
more = { id: 'https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA' }
console.log(`authorize, id: ${await authorize()}`)
server.close()
server.closeAllConnections()
JS
seen=$(node id.mjs)
echo "$seen"
[ "$seen" = "authorize, no id: TypeError: Cannot read properties of undefined (reading 'split')
requestToken, no id: access_token,token_type,instance_url
authorize, id: authorized" ] || { echo 'this has changed'; exit 1; }
