"""A call of the API at the host of the login URL."""

import os
from urllib.parse import urlsplit

from simple_salesforce import Salesforce

instance = urlsplit(os.environ["VALETKEY_URL"]).netloc
Salesforce(session_id="a-token", instance=instance).query("SELECT Id FROM Organization")
