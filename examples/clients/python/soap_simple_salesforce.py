"""simple-salesforce with SOAP login. docs/soap-login.md explains the settings."""

import os
import sys

from simple_salesforce import Salesforce, SalesforceLogin
from simple_salesforce.exceptions import SalesforceExpiredSession

VALETKEY_URL = os.environ["VALETKEY_URL"]
INTEGRATION = os.environ.get("VALETKEY_INTEGRATION", "billing")


def login():
    session_id, instance = SalesforceLogin(
        username=INTEGRATION,
        password=os.environ["VALETKEY_KEY"],
        security_token="",
        scratch_url=f"{VALETKEY_URL}/login/{INTEGRATION}",
    )
    return Salesforce(session_id=session_id, instance=instance)


salesforce = login()


def query():
    return salesforce.query("SELECT Id FROM Organization")


def call():
    global salesforce
    try:
        result = query()
    except SalesforceExpiredSession:
        # A client with a session id does not log in again by itself.
        salesforce = login()
        result = query()
    print(result["records"][0]["Id"], flush=True)


# Calls Salesforce once, and once more for each line of the input.
call()
for _line in sys.stdin:
    call()
