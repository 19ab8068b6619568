"""simple-salesforce with the client credentials grant. docs/clients.md explains the settings."""

import os
import sys
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

VALETKEY_URL = os.environ["VALETKEY_URL"]
INTEGRATION = os.environ.get("VALETKEY_INTEGRATION", "billing")


class ValetkeyLogin(HTTPAdapter):
    """Sends logins to Valetkey, because the client only knows hosts of salesforce.com."""

    def send(self, request, **options):
        request.url = f"{VALETKEY_URL}/login/{INTEGRATION}{urlsplit(request.url).path}"
        return super().send(request, **options)


session = requests.Session()
session.mount("https://valetkey.salesforce.com/services/", ValetkeyLogin())
salesforce = Salesforce(
    domain="valetkey",
    session=session,
    consumer_key=os.environ["VALETKEY_KEY_ID"],
    consumer_secret=os.environ["VALETKEY_KEY"],
)


def call():
    result = salesforce.query("SELECT Id FROM Organization")
    print(result["records"][0]["Id"], flush=True)


# Calls Salesforce once, and once more for each line of the input.
call()
for _line in sys.stdin:
    call()
