"""A version that is none."""

import os

from simple_salesforce import SalesforceLogin

SalesforceLogin(
    username=os.environ["VALETKEY_INTEGRATION"],
    password=os.environ["VALETKEY_KEY"],
    security_token="",
    scratch_url=f"{os.environ['VALETKEY_URL']}/login/{os.environ['VALETKEY_INTEGRATION']}",
    sf_version="latest",
)
