"""The password grant."""

import os

from authlib.integrations.requests_client import OAuth2Session

OAuth2Session(
    os.environ["VALETKEY_KEY_ID"],
    os.environ["VALETKEY_KEY"],
    scope="integration:" + os.environ["VALETKEY_INTEGRATION"],
    token_endpoint=os.environ["VALETKEY_URL"] + "/oauth/token",
).fetch_token(grant_type="password", username="a", password="b")
