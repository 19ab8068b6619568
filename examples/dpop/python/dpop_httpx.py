"""httpx with proofs: `httpx.Client(auth=Dpop())`."""

import httpx
from dpop import TRIES, prove, wants_after


class Dpop(httpx.Auth):
    requires_request_body = True  # It may be sent again.

    def auth_flow(self, request):
        wants = {}
        for _ in range(TRIES):
            # As httpx calls it. The proof covers it up to the query.
            given = prove([{"method": request.method, "url": str(request.url)}], **wants)
            request.headers["Authorization"] = f"DPoP {given['access_token']}"
            request.headers["DPoP"] = given["proofs"][0]
            answer = yield request
            nonce = answer.headers.get("DPoP-Nonce")
            wants = wants_after(answer.status_code, nonce, given["token_id"], wants)
            if wants is None:
                return
