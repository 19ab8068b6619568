import { createHash } from 'node:crypto'
import { admit } from '../admission.ts'
import type { Allowed } from '../authorization-codes.ts'
import { authenticateClient } from '../client.ts'
import { requireKey } from '../dpop.ts'
import { Refused } from '../refusals.ts'
import { approvedBy, type Grant } from './grant.ts'

/** The second half of the web server flow: exchanges a code, verified by PKCE (protocol, section 3.2). */
export const authorizationCode: Grant = {
  type: 'authorization_code',
  takesScope: false,
  grant(exchange, world) {
    const client = authenticateClient(exchange, world, {
      secretOptional: ({ configuration }) => !configuration.secretRequiredForCode,
    })
    const allowed = world.authorizationCodes.redeem(exchange.form?.get('code') ?? '')
    if (allowed.appId !== client.app.id) throw new Refused('code_invalid')
    if (allowed.redirectUri !== exchange.form?.get('redirect_uri')) {
      throw new Refused('redirect_uri_mismatch')
    }
    requireKey(exchange, allowed.dpopJkt)
    assertVerifier(allowed, exchange.form?.get('code_verifier'))
    const user = world.directory.user(allowed.userId)
    admit({ client, user, grant: 'interactive' }, exchange, world)
    return approvedBy(client, user, allowed.scopes, world, allowed.dpopJkt)
  },
}

function assertVerifier({ codeChallenge }: Allowed, verifier: string | undefined): void {
  if (codeChallenge === undefined) return
  const challenge = createHash('sha256')
    .update(verifier ?? '')
    .digest('base64url')
  if (challenge !== codeChallenge) throw new Refused('code_verifier_invalid')
}
