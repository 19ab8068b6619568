#!/bin/sh
# simple-salesforce 1.12.10 writes `exp` of its JWT bearer assertion as a JSON string, where RFC 7519 asks for
# a number. Salesforce is what it is made for; jose 6.2.17 refuses the assertion with
# ERR_JWT_CLAIM_VALIDATION_FAILED although its signature is good and its time is not over. It hurts
# who stands in for Salesforce's token endpoint, in tests or as a token service, and verifies assertions with
# a library that keeps to the letter. There, verify the signature alone (`compactVerify`) and read `exp` as
# Number(exp) with bounds of one's own.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check simple-salesforce==1.12.10 requests==2.34.2
npm install --silent --no-audit --no-fund --no-save jose@6.2.17
openssl genrsa -out key.pem 2048 2> /dev/null
openssl rsa -in key.pem -pubout -out public.pem 2> /dev/null

cat > assertion.py <<'PY'
import json
from urllib.parse import parse_qs

from requests import Response, Session
from requests.adapters import BaseAdapter
from simple_salesforce import SalesforceLogin


class Stub(BaseAdapter):
    """Answers in this process, as the library knows no hosts but Salesforce's."""

    def send(self, request, **_):
        print(parse_qs(request.body)['assertion'][0])
        response = Response()
        response.request, response.url, response.status_code = request, request.url, 200
        response._content = json.dumps(
            {'access_token': 'token', 'instance_url': 'https://acme.my.salesforce.com'}
        ).encode()
        return response

    def close(self):
        pass


session = Session()
session.mount('https://', Stub())
SalesforceLogin(
    username='user@acme.example', consumer_key='id', privatekey_file='key.pem', domain='acme.my', session=session
)
PY
cat > verify.mjs <<'JS'
import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { compactVerify, decodeJwt, jwtVerify } from 'jose'
const assertion = process.argv[2]
const key = createPublicKey(readFileSync('public.pem'))
const { exp } = decodeJwt(assertion)
console.log(`exp: a ${typeof exp}, ${Number(exp) > Date.now() / 1000 ? 'not over' : 'over'}`)
for (const [name, verify] of Object.entries({ compactVerify, jwtVerify })) {
  console.log(`${name}: ${await verify(assertion, key).then(() => 'good', (error) => `${error.code}, ${error.message}`)}`)
}
JS
seen=$(node verify.mjs "$(env/bin/python assertion.py)")
echo "$seen"
[ "$seen" = 'exp: a string, not over
compactVerify: good
jwtVerify: ERR_JWT_CLAIM_VALIDATION_FAILED, "exp" claim must be a number' ] || { echo 'this has changed'; exit 1; }
