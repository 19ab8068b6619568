#!/bin/sh
# undici 8.12.4: `request()` through a ProxyAgent does not end by its AbortSignal while the proxy has not
# answered CONNECT; it ends when the proxy answers. Here the signal fires after 0.3 s and the proxy answers
# after 2 s. `fetch()` of the same undici ends at 0.3 s, and so does `request()` where the proxy needs no
# CONNECT. It hurts who bounds calls by `AbortSignal.timeout()` behind a company's proxy: a slow proxy makes
# each take as long as it likes. Use `fetch()`, or race the call against the signal.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# undici 8.12.4 asks for Node 22.19 or later.
npm install --silent --no-audit --no-fund --no-save undici@8.12.4

cat > abort.mjs <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fetch, ProxyAgent, request } from 'undici'
const proxy = createServer((_request, response) => setTimeout(() => response.writeHead(502).end(), 2000))
proxy.on('connect', (_request, socket) => {
  socket.on('error', () => {})
  setTimeout(() => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'), 2000)
})
proxy.listen(0, '127.0.0.1')
await once(proxy, 'listening')
for (const [name, call, url] of [
  ['request with CONNECT', request, 'https://acme.my.salesforce.com/'],
  ['fetch with CONNECT', fetch, 'https://acme.my.salesforce.com/'],
  ['request without CONNECT', request, 'http://acme.example/'],
]) {
  const uri = `http://127.0.0.1:${proxy.address().port}`
  const dispatcher = new ProxyAgent({ uri, proxyTunnel: name.endsWith('with CONNECT') })
  const since = performance.now()
  await call(url, { dispatcher, signal: AbortSignal.timeout(300) }).catch(() => {})
  console.log(`${name}: ended ${performance.now() - since < 1500 ? 'by the signal' : 'when the proxy answered'}`)
  await dispatcher.destroy()
}
proxy.close()
proxy.closeAllConnections()
JS
seen=$(node abort.mjs)
echo "$seen"
[ "$seen" = 'request with CONNECT: ended when the proxy answered
fetch with CONNECT: ended by the signal
request without CONNECT: ended by the signal' ] || { echo 'this has changed'; exit 1; }
