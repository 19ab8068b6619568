/** What the app demands of proofs, for an integration that asks for bound tokens. Experimental. */
import { isBound } from '../dpop/binding.ts'
import { asksForBound } from '../dpop/dpop-rule.ts'
import { BrokerError } from '../errors/errors.ts'
import type { GrantContext } from '../grants/grant.ts'
import { grantOf } from '../grants/index.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import { type Integration, presentsRefreshToken } from '../integrations/integration.ts'
import { within } from '../runtime/timeout.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { contextAt, type Signer } from '../tokens/serve/token-request.ts'
import { type DiagnosisCheck, passed, warned } from './check.ts'
import { CHECK_MS, tooSlow } from './time-limit.ts'

const REQUIRE =
  'After a trial, let the app require it: Setup → External Client App Manager → (your app) → Settings → OAuth Settings → Require DPoP.'

interface HeldToken {
  readonly integration: Integration
  readonly signer: Signer
  readonly lease: Lease
}

/** Empty: the integration asks for bearer tokens. Asks for a token without a proof, which is one login, and drops it. */
export async function checkPosture(
  { integration, signer, lease }: HeldToken,
  charge: () => Promise<void>,
  grants: GrantContext,
): Promise<readonly DiagnosisCheck[]> {
  if (!asksForBound(integration)) return []
  if (!isBound(lease)) {
    return [
      warned(
        'dpop',
        'Salesforce answered the proof with a bearer token: it bound nothing.',
        '`valetkey probe dpop {name}` shows what the org does. To refuse such tokens, set identity.expect.dpop to true.',
      ),
    ]
  }
  if (presentsRefreshToken(integration)) {
    return [
      passed(
        'dpop',
        'The token is bound. Whether the app requires DPoP is not asked, because the question would use up the refresh token.',
      ),
    ]
  }
  const { loginUrl, grant: settings } = integration
  const { clientId, credential } = signer
  const ask = (signal: AbortSignal) =>
    grantOf(settings.type).request(
      { loginUrl, settings, clientId, credential, signal },
      contextAt(grants, loginUrl),
    )
  try {
    await charge()
    await within(CHECK_MS, ask, { late: tooSlow })
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return [
      refusalOf(error)?.reason === 'dpop_required'
        ? passed('dpop', 'The token is bound, and the app requires DPoP.')
        : passed(
            'dpop',
            `The token is bound. Whether the app requires DPoP is unknown: ${error.code}.`,
          ),
    ]
  }
  return [
    warned(
      'dpop',
      'The token is bound, but the app only allows DPoP: who has its secret or its key gets bearer tokens.',
      REQUIRE,
    ),
  ]
}
