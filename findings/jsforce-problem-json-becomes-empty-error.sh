#!/bin/sh
# jsforce 3.10.26: a refusal of the token endpoint whose body is no RFC 6749 error (`error`,
# `error_description`), such as a problem of RFC 9457, becomes an Error with an empty message and the name
# `undefined`: neither status nor body is in it. It hurts who puts a gateway or a token service before
# Salesforce, since the log of the application then says nothing at all. A token endpoint that jsforce may
# ask has to refuse with `error` and `error_description`, which may stand beside the problem's members.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# jsforce 3.10.26 asks for Node 22 or later.
npm install --silent --no-audit --no-fund --no-save jsforce@3.10.26

cat > problem.mjs <<'JS'
import { createServer } from 'node:http'
import { once } from 'node:events'
import jsforce from 'jsforce'
const problem = { type: 'about:blank', title: 'Forbidden', status: 403, detail: 'The caller may not do this.' }
let more = {}
const server = createServer((request, response) => {
  request.resume()
  response.writeHead(403, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ ...problem, ...more }))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const loginUrl = `http://127.0.0.1:${server.address().port}`
const oauth2 = new jsforce.OAuth2({ loginUrl, clientId: 'id', clientSecret: 'secret' })
for (more of [{}, { error: 'unauthorized_client', error_description: 'The caller may not do this.' }]) {
  const error = await oauth2.requestToken({ grant_type: 'client_credentials' }).catch((thrown) => thrown)
  console.log(`name ${error.name}, message "${error.message}"`)
}
server.close()
server.closeAllConnections()
JS
seen=$(node problem.mjs)
echo "$seen"
[ "$seen" = 'name undefined, message ""
name unauthorized_client, message "The caller may not do this."' ] || { echo 'this has changed'; exit 1; }
