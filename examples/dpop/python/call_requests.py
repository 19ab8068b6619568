"""requests with proofs."""

import sys

import requests
from dpop import prove
from dpop_requests import Dpop

instance_url = prove([])["instance_url"]
session = requests.Session()
session.auth = Dpop()


def call():
    answer = session.get(
        f"{instance_url}/services/data/v66.0/query",
        params={"q": "SELECT Id FROM Organization"},
        timeout=30,
        allow_redirects=False,
    )
    answer.raise_for_status()
    print(answer.json()["records"][0]["Id"], flush=True)


# Calls Salesforce once, and once more for each line of the input.
call()
for _line in sys.stdin:
    call()
