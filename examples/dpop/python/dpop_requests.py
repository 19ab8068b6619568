"""requests with proofs: `session.auth = Dpop()`. The adapter's own retries are below it, so leave them off."""

from dpop import TRIES, prove, wants_after
from requests.auth import AuthBase


class Dpop(AuthBase):
    def __call__(self, request):
        had = {}
        self.put(request, had)
        tries = 1

        def hear(answer, **options):
            nonlocal had, tries
            nonce = answer.headers.get("DPoP-Nonce")
            wants = wants_after(answer.status_code, nonce, request.token_id, had)
            if wants is None or tries == TRIES:
                return answer
            tries += 1
            had = wants
            answer.content  # Read to the end, so that the connection is free.
            if hasattr(request.body, "seek"):
                request.body.seek(0)
            self.put(request, wants)
            again = answer.connection.send(request, **options)
            again.history = [*answer.history, answer]
            return hear(again, **options)

        request.register_hook("response", hear)
        return request

    @staticmethod
    def put(request, wants):
        # As requests calls it. The proof covers it up to the query.
        given = prove([{"method": request.method, "url": request.url}], **wants)
        request.token_id = given["token_id"]
        request.headers["Authorization"] = f"DPoP {given['access_token']}"
        request.headers["DPoP"] = given["proofs"][0]
