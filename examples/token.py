"""Calls Salesforce with a token of Valetkey. Python 3.8 or later, nothing to install.

usage: VALETKEY_URL=http://127.0.0.1:8080 VALETKEY_KEY=… python3 token.py [integration]
"""

import json
import os
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def get_json(url, bearer):
    request = Request(url, headers={"Authorization": f"Bearer {bearer}"})
    try:
        with urlopen(request, timeout=12) as response:
            return json.load(response)
    except HTTPError as error:
        # An error of Valetkey is a problem document: its `code` says what happened.
        sys.exit(f"{error.code} {error.read().decode()}")


integration = sys.argv[1] if len(sys.argv) > 1 else "billing"
token = get_json(f"{os.environ['VALETKEY_URL']}/tokens/{integration}", os.environ["VALETKEY_KEY"])
resources = get_json(f"{token['instance_url']}/services/data/v66.0/", token["access_token"])
print(resources["sobjects"])
