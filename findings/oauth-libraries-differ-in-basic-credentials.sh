#!/bin/sh
# Four OAuth libraries make three different requests of the same client id and secret. simple-oauth2 5.1.0
# percent-encodes both before the Basic header (RFC 6749, section 2.3.1); requests-oauthlib 2.0.0 and
# Authlib 1.9.10 put them in as they are; openid-client 6.9.0 sends no Basic header, but puts a secret that is
# given as its third argument into the body. They agree as long as id and secret are of letters, digits,
# `-`, `.` and `_`; with `+`, `/` or `=`, as base64 has them, or with `:` in an id, one half of the callers
# is refused with `invalid_client`. Whoever issues secrets keeps to those letters (base64url without
# padding), and whoever takes them takes the body, too.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save simple-oauth2@5.1.0 openid-client@6.9.0
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check requests-oauthlib==2.0.0 oauthlib==4.0.1 authlib==1.9.10 \
  requests==2.34.2

cat > ask.py <<'PY'
import os
import sys

os.environ['OAUTHLIB_INSECURE_TRANSPORT'] = '1'  # The stub speaks http, on loopback.
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

library, url, client_id, secret = sys.argv[1:]
if library == 'requests-oauthlib':
    session = OAuth2Session(client=BackendApplicationClient(client_id))
    session.fetch_token(url, client_id=client_id, client_secret=secret)
else:
    AuthlibSession(client_id, secret).fetch_token(url, grant_type='client_credentials')
PY
cat > differ.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import * as openid from 'openid-client'
import { ClientCredentials } from 'simple-oauth2'
const [id, secret] = ['billing', 's3cr+t/x=']
let seen
const server = createServer(async (request, response) => {
  const body = new URLSearchParams(await text(request))
  const [, basic] = /^Basic (.*)$/.exec(request.headers.authorization ?? '') ?? []
  seen = basic ? `Basic ${Buffer.from(basic, 'base64')}` : `body ${body.get('client_id')}, ${body.get('client_secret')}`
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end('{"access_token":"token","token_type":"Bearer","expires_in":300}')
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const tokenHost = `http://127.0.0.1:${server.address().port}`
const python = (library) => promisify(execFile)('env/bin/python', ['ask.py', library, `${tokenHost}/token`, id, secret])
for (const [library, ask] of Object.entries({
  'simple-oauth2': () => new ClientCredentials({ client: { id, secret }, auth: { tokenHost, tokenPath: '/token' } }).getToken({}),
  'openid-client': () => {
    const configuration = new openid.Configuration({ issuer: tokenHost, token_endpoint: `${tokenHost}/token` }, id, secret)
    openid.allowInsecureRequests(configuration)
    return openid.clientCredentialsGrant(configuration)
  },
  'requests-oauthlib': () => python('requests-oauthlib'),
  Authlib: () => python('Authlib'),
})) {
  await ask()
  console.log(`${library}: ${seen}`)
}
server.close()
server.closeAllConnections()
JS
seen=$(node differ.mjs)
echo "$seen"
[ "$seen" = 'simple-oauth2: Basic billing:s3cr%2Bt%2Fx%3D
openid-client: body billing, s3cr+t/x=
requests-oauthlib: Basic billing:s3cr+t/x=
Authlib: Basic billing:s3cr+t/x=' ] || { echo 'this has changed'; exit 1; }
