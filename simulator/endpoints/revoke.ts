import { type Answer, formAnswer, jsonAnswer, textAnswer } from '../answer.ts'
import { challenge, takeTokenProof } from '../dpop.ts'
import type { Exchange } from '../exchange.ts'
import { Refused } from '../refusals.ts'
import type { World } from '../world.ts'

/** `/services/oauth2/revoke`: ends an access token, or a refresh token with all its access tokens. */
export function answerRevoke(exchange: Exchange, world: World): Answer {
  const form = exchange.method === 'GET' ? exchange.query : exchange.form
  const isProven = exchange.headers.dpop !== undefined
  if (isProven && world.settings().dpop.resourceNonce === 'required') {
    try {
      takeTokenProof(exchange, world)
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown
      return challenge(exchange, world)
    }
  }
  const callback = exchange.method === 'GET' ? exchange.query.get('callback') : null
  const error = revoke(form?.get('token') ?? '', form?.get('token_type_hint'), world)
  if (callback !== null) {
    const members = error === undefined ? {} : { error }
    return textAnswer(200, `${callback}(${JSON.stringify(members)})`)
  }
  if (error === undefined) return { status: 200, headers: {}, body: '' }
  const members = { error, error_description: DESCRIPTIONS[error] }
  const wantsJson = exchange.headers.accept?.includes('application/json') ?? false
  return wantsJson ? jsonAnswer(400, members) : formAnswer(400, members)
}

type RevokeError = 'unsupported_token_type' | 'invalid_token'

const DESCRIPTIONS: Readonly<Record<RevokeError, string>> = {
  unsupported_token_type: 'this token type is not supported',
  invalid_token: 'invalid token',
}

const HINTS = ['access_token', 'refresh_token']

function revoke(
  token: string,
  hint: string | null | undefined,
  world: World,
): RevokeError | undefined {
  if (hint && !HINTS.includes(hint)) return 'unsupported_token_type'
  if (world.sessions.find(token) !== undefined) {
    world.sessions.end(token)
    return undefined
  }
  const refreshToken = world.refreshTokens.find(token)
  if (refreshToken?.state !== 'current') return 'invalid_token'
  world.refreshTokens.revokeFamily(refreshToken.familyId)
  world.sessions.endWhere(({ familyId }) => familyId === refreshToken.familyId)
  return undefined
}
