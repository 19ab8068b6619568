/** The device flow as Salesforce has it, by names of its own: `response_type=device_code`, `grant_type=device`, `code`. */
import type { Secret } from '../crypto/secret.ts'
import { refusalOf } from './refusals/refusals.ts'
import { noClientAuth } from './token-endpoint/client-auth.ts'
import type { TokenAnswer } from './token-endpoint/token-answer.ts'
import type { TokenEndpoint } from './token-endpoint/token-endpoint.ts'

export interface DevicePoll {
  /** An origin, or an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly clientId: string
  readonly deviceCode: Secret
  readonly signal: AbortSignal
  /** Called with a refresh token of the answer before the rest of it is checked. */
  readonly onRefreshToken: (refreshToken: Secret) => void
}

/** `pending`: ask again after the interval. `slow_down`: the same, and 5 s more from now on. */
export type PollResult = TokenAnswer | 'pending' | 'slow_down'

/** One attempt: once it is allowed, the code is good for one. Throws as `TokenEndpoint.token` does. */
export async function pollDevice(
  { loginUrl, clientId, deviceCode, signal, onRefreshToken }: DevicePoll,
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
      onRefreshToken,
      signal,
    })
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal?.error === 'slow_down') return 'slow_down'
    if (refusal?.reason === 'authorization_pending') return 'pending'
    throw error
  }
}
