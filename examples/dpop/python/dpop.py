"""Experimental. Calls Salesforce with tokens that work with a proof only: Valetkey has the key, and
signs a proof for each try. docs/dpop.md explains it."""

import json
import os
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TRIES = 4  # For a nonce, a dead session, and the nonce of the next token.


def prove(requests, **wants):
    """The token, and a proof for each request. `wants`: what the former try lacked."""
    name = os.environ.get("VALETKEY_INTEGRATION", "billing")
    asked = Request(
        f"{os.environ['VALETKEY_URL']}/tokens/{name}/proofs",
        json.dumps({"requests": requests, **wants}).encode(),
        {
            "Authorization": f"Bearer {os.environ['VALETKEY_KEY']}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urlopen(asked, timeout=12) as answer:
            return json.load(answer)
    except HTTPError as error:
        problem = json.load(error)
        raise RuntimeError(f"Valetkey: {problem['code']}: {problem['detail']}") from None


def wants_after(status, nonce, token_id, had):
    """What the next try wants after this answer of Salesforce. `had`: what this try wanted.
    None: there is none."""
    # A second refusal is not for want of a nonce.
    if nonce and "nonce" not in had and status in (400, 401):
        return {"nonce": nonce}
    return {"rejected": token_id} if status == 401 else None
