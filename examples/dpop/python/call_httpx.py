"""httpx with proofs."""

import sys

import httpx
from dpop import prove
from dpop_httpx import Dpop

instance_url = prove([])["instance_url"]
client = httpx.Client(auth=Dpop(), timeout=30)


def call():
    answer = client.get(
        f"{instance_url}/services/data/v66.0/query",
        params={"q": "SELECT Id FROM Organization"},
    )
    answer.raise_for_status()
    print(answer.json()["records"][0]["Id"], flush=True)


# Calls Salesforce once, and once more for each line of the input.
call()
for _line in sys.stdin:
    call()
