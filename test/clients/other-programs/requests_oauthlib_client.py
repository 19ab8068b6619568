"""The password grant."""

import os

from oauthlib.oauth2 import LegacyApplicationClient
from requests_oauthlib import OAuth2Session

OAuth2Session(client=LegacyApplicationClient(os.environ["VALETKEY_KEY_ID"])).fetch_token(
    os.environ["VALETKEY_URL"] + "/oauth/token",
    username="a",
    password="b",
    client_id=os.environ["VALETKEY_KEY_ID"],
    client_secret=os.environ["VALETKEY_KEY"],
)
