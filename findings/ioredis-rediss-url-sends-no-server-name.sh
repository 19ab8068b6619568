#!/bin/sh
# ioredis 6.0.0 on Node 24: `rediss://HOST` connects without a server name (SNI), although the HOST is a
# name: `tls.connect` sends one only where it is given `servername`, unlike `https`. A Redis behind
# something that routes or chooses its certificate by that name (OpenShift routes, Envoy, HAProxy or
# Traefik as TCP routers, Redis Enterprise on Kubernetes) answers with its default certificate, and the
# operator reads ERR_TLS_CERT_ALTNAME_INVALID, which tells of the wrong certificate and not of the
# missing name. Give `tls: { servername: HOST }` beside the URL where HOST is no IP address.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm install --silent --no-audit --no-fund --no-save ioredis@6.0.0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -keyout key.pem \
  -out right.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> /dev/null
openssl req -x509 -key key.pem -days 1 -out default.pem -subj /CN=other.invalid \
  -addext subjectAltName=DNS:other.invalid

cat > sni.mjs <<'JS'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { Redis } from 'ioredis'
const [key, right, other] = ['key', 'right', 'default'].map((name) => readFileSync(`${name}.pem`))
// Speaks TLS and closes: no Redis is needed to see the name.
let saw
const server = tls.createServer({
  key,
  cert: other,
  SNICallback: (name, done) => {
    saw = `server name ${name}`
    done(null, tls.createSecureContext({ key, cert: right }))
  },
}, (socket) => socket.destroy()).listen(0, '127.0.0.1')
await once(server, 'listening')
for (const servername of [undefined, 'localhost']) {
  saw = 'no server name'
  const redis = new Redis(`rediss://localhost:${server.address().port}`, {
    family: 4,
    tls: { ca: [right, other], ...(servername && { servername }) },
    retryStrategy: null,
  })
  let said = 'certificate accepted'
  redis.on('error', (error) => { said = error.code ?? said })
  await new Promise((resolve) => redis.on('close', resolve))
  console.log(`servername ${servername ?? 'not given'}: ${saw}, ${said}`)
}
server.close()
JS
seen=$(node sni.mjs)
echo "$seen"
[ "$seen" = "servername not given: no server name, ERR_TLS_CERT_ALTNAME_INVALID
servername localhost: server name localhost, certificate accepted" ] || { echo 'this has changed'; exit 1; }
