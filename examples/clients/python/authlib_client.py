"""Authlib with the client credentials grant. docs/clients.md explains the settings."""

import os
import sys

from authlib.integrations.requests_client import OAuth2Session

session = OAuth2Session(
    os.environ["VALETKEY_KEY_ID"],
    os.environ["VALETKEY_KEY"],
    scope="integration:" + os.environ.get("VALETKEY_INTEGRATION", "billing"),
    token_endpoint=os.environ["VALETKEY_URL"] + "/oauth/token",
    # With it, the client fetches the next token by itself, before this one expires.
    grant_type="client_credentials",
)
session.fetch_token()


def query():
    return session.get(
        session.token["instance_url"] + "/services/data/v66.0/query",
        params={"q": "SELECT Id FROM Organization"},
    )


def call():
    response = query()
    if response.status_code == 401:
        session.fetch_token()
        response = query()
    response.raise_for_status()
    print(response.json()["records"][0]["Id"], flush=True)


# Calls Salesforce once, and once more for each line of the input.
call()
for _line in sys.stdin:
    call()
