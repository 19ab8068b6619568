/** The device flow with Salesforce's own parameter names: `response_type=device_code`, `grant_type=device`, `code`. */
import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { refusalOf } from './refusals/refusals.ts'
import { noClientAuth } from './token-endpoint/client-auth.ts'
import type { TokenAnswer } from './token-endpoint/token-answer.ts'
import type { TokenEndpoint } from './token-endpoint/token-endpoint.ts'

interface DevicePoll {
  /** An origin, or an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly clientId: string
  readonly deviceCode: Secret
  /** Proves the request. Absent: it has no proof. */
  readonly dpopKey?: StoredDpopKey | undefined
  readonly signal: AbortSignal
  /** Called with the refresh token before the rest of the answer is checked. */
  readonly onRefreshToken: (refreshToken: Secret) => void
}

/** `pending`: poll again after the interval. `slow_down`: also add 5 seconds to the interval from now on. */
type PollResult = TokenAnswer | 'pending' | 'slow_down'

/** Polls once. Salesforce accepts the code only once after the approval. Throws as `TokenEndpoint.token` does. */
export async function pollDevice(
  { loginUrl, clientId, deviceCode, dpopKey, signal, onRefreshToken }: DevicePoll,
  endpoint: Pick<TokenEndpoint, 'token'>,
): Promise<PollResult> {
  try {
    return await endpoint.token({
      loginUrl,
      clientId,
      clientAuth: noClientAuth,
      grantType: 'device',
      parameters: { client_id: clientId, code: deviceCode.reveal() },
      repeatable: false,
      ...{ onRefreshToken, dpopKey, signal },
    })
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal?.error === 'slow_down') return 'slow_down'
    if (refusal?.reason === 'authorization_pending') return 'pending'
    throw error
  }
}
