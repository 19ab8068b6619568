"""requests-oauthlib with the client credentials grant. docs/clients.md explains the settings."""

import os
import sys

from oauthlib.oauth2 import BackendApplicationClient, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

KEY_ID = os.environ["VALETKEY_KEY_ID"]
SCOPE = "integration:" + os.environ.get("VALETKEY_INTEGRATION", "billing")

session = OAuth2Session(client=BackendApplicationClient(KEY_ID, scope=[SCOPE]))


def login():
    session.fetch_token(
        os.environ["VALETKEY_URL"] + "/oauth/token",
        auth=HTTPBasicAuth(KEY_ID, os.environ["VALETKEY_KEY"]),
    )


def query():
    return session.get(
        session.token["instance_url"] + "/services/data/v66.0/query",
        params={"q": "SELECT Id FROM Organization"},
    )


def call():
    try:
        response = query()
        is_over = response.status_code == 401
    except TokenExpiredError:
        is_over = True
    if is_over:
        login()
        response = query()
    response.raise_for_status()
    print(response.json()["records"][0]["Id"], flush=True)


# Calls Salesforce once, and once more for each line of the input.
login()
call()
for _line in sys.stdin:
    call()
