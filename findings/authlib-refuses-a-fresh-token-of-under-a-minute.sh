#!/bin/sh
# Authlib 1.9.10, OAuth2Session: a token that lasts less than 60 seconds counts as expired at once. The
# session that has just fetched it raises InvalidTokenError at the first call, without any request, unless
# `grant_type='client_credentials'` was given to the constructor; then it fetches a second token and goes on.
# (`token_endpoint` in the constructor is not enough.) It hurts the callers of token services that hand
# out what is left of a shared token: all goes well until its last minute, and then each new session
# fails. Give `leeway=` to the constructor, less than the shortest life that is handed out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check authlib==1.9.10 requests==2.34.2

cat > short.py <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from authlib.integrations.requests_client import OAuth2Session

log = []


class Stub(BaseHTTPRequestHandler):
    def reply(self, body):
        log.append(f'{self.command} {self.path}')
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.reply({'access_token': 'token', 'token_type': 'Bearer', 'expires_in': life})

    def do_GET(self):
        self.reply({})

    def log_message(self, *_):
        pass


server = HTTPServer(('127.0.0.1', 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f'http://127.0.0.1:{server.server_port}'
for life, more in (90, {}), (45, {}), (45, {'grant_type': 'client_credentials'}), (45, {'leeway': 5}):
    log.clear()
    session = OAuth2Session('id', 'secret', token_endpoint=f'{base}/token', **more)
    session.fetch_token(grant_type='client_credentials')
    try:
        said = session.get(f'{base}/call').status_code
    except Exception as error:
        said = type(error).__name__
    print(f'{life} s, {more}: {said} after {", ".join(log)}')
server.shutdown()
PY
seen=$(env/bin/python short.py)
echo "$seen"
[ "$seen" = "90 s, {}: 200 after POST /token, GET /call
45 s, {}: InvalidTokenError after POST /token
45 s, {'grant_type': 'client_credentials'}: 200 after POST /token, POST /token, GET /call
45 s, {'leeway': 5}: 200 after POST /token, GET /call" ] || { echo 'this has changed'; exit 1; }
