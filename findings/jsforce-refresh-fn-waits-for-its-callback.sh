#!/bin/sh
# jsforce 3.10.26: the `refreshFn` of a Connection is a function of callbacks, and what it returns is not
# looked at. An async function may be given, and the promise of its new token resolves, yet the call that
# met the 401 goes on only when the second argument was called with (null, token). It hurts who writes
# `refreshFn: async () => token`, as Node's habits suggest: the new token is got and never used. Call the
# callback in every case, also with the error: `token().then((t) => done(null, t), done)`.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# jsforce 3.10.26 asks for Node 22 or later.
npm install --silent --no-audit --no-fund --no-save jsforce@3.10.26

cat > refresh.mjs <<'JS'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import jsforce from 'jsforce'
const server = createServer((request, response) => {
  const good = request.headers.authorization === 'Bearer new'
  console.log(`request with ${request.headers.authorization}`)
  response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' })
  response.end(good
    ? '{"done":true,"totalSize":0,"records":[]}'
    : '[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]')
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const connection = new jsforce.Connection({
  instanceUrl: `http://127.0.0.1:${server.address().port}`,
  accessToken: 'old',
  refreshFn: (_connection, done) => {
    const token = (async () => 'new')()
    token.then(async () => {
      console.log('the promise that refreshFn returned has resolved')
      await setTimeout(300)
      console.log('the callback is called')
      done(null, 'new')
    })
    return token
  },
})
await connection.query('SELECT Id FROM Account')
console.log('the call is answered')
server.close()
server.closeAllConnections()
JS
seen=$(node refresh.mjs)
echo "$seen"
[ "$seen" = "request with Bearer old
the promise that refreshFn returned has resolved
the callback is called
request with Bearer new
the call is answered" ] || { echo 'this has changed'; exit 1; }
