#!/bin/sh
# simple-salesforce 1.12.10: a call whose token is refused with INVALID_SESSION_ID logs in again, and does so
# up to four times, without a pause, where the new token is refused like the old one; then it raises
# SalesforceExpiredSession. A login policy, an IP range or a token service that hands out the same token
# again gets there. It hurts because Salesforce counts logins: past 3,600 an hour the user is locked out
# of everything, and 900 failing calls are enough. (`bulk` and `bulk2` raise at once.) Whoever repeats calls
# counts four logins for each, and stops at the first SalesforceExpiredSession.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check simple-salesforce==1.12.10 requests==2.34.2

cat > logins.py <<'PY'
import json

from requests import Response, Session
from requests.adapters import BaseAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession

log = []


class Stub(BaseAdapter):
    """Answers in this process, as the library knows no hosts but Salesforce's."""

    def send(self, request, **_):
        login = request.url.endswith('/services/oauth2/token')
        log.append('login' if login else 'call')
        response = Response()
        response.request, response.url = request, request.url
        response.status_code = 200 if login else 401
        response._content = json.dumps(
            {'access_token': 'token', 'instance_url': 'https://acme.my.salesforce.com'}
            if login
            else [{'errorCode': 'INVALID_SESSION_ID', 'message': 'Session expired or invalid'}]
        ).encode()
        return response

    def close(self):
        pass


session = Session()
session.mount('https://', Stub())
salesforce = Salesforce(consumer_key='id', consumer_secret='secret', domain='acme.my', session=session)
log.clear()
try:
    salesforce.query('SELECT Id FROM Account')
except SalesforceExpiredSession:
    print('SalesforceExpiredSession')
print(', '.join(log))
PY
seen=$(env/bin/python logins.py)
echo "$seen"
[ "$seen" = "SalesforceExpiredSession
call, login, call, login, call, login, call, login" ] || { echo 'this has changed'; exit 1; }
