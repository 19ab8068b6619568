"""An assertion that the client signs."""

import os
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce


class ValetkeyLogin(HTTPAdapter):
    def send(self, request, **options):
        path = f"/login/{os.environ['VALETKEY_INTEGRATION']}{urlsplit(request.url).path}"
        request.url = os.environ["VALETKEY_URL"] + path
        return super().send(request, **options)


session = requests.Session()
session.mount("https://valetkey.salesforce.com/services/", ValetkeyLogin())
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
pem = key.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
Salesforce(
    domain="valetkey",
    session=session,
    username="billing@acme.com",
    consumer_key=os.environ["VALETKEY_KEY_ID"],
    privatekey=pem,
)
