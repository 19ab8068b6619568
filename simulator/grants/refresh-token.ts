import { setTimeout as sleep } from 'node:timers/promises'
import { admit } from '../admission.ts'
import { authenticateClient } from '../client.ts'
import { requireKey } from '../dpop.ts'
import type { RefreshToken } from '../refresh-tokens.ts'
import { Refused } from '../refusals.ts'
import type { World } from '../world.ts'
import { type Grant, scopesWithout } from './grant.ts'

/** Refresh tokens, with and without rotation. One request at a time may use a token. A replay of a rotated token ends its family (protocol, section 3.1). */
export const refreshToken: Grant = {
  type: 'refresh_token',
  takesScope: false,
  async grant(exchange, world) {
    const client = authenticateClient(exchange, world, {
      secretOptional: ({ configuration }) => !configuration.secretRequiredForRefresh,
    })
    const presented = exchange.form?.get('refresh_token') ?? ''
    const before = world.refreshTokens.find(presented)
    if (before === undefined || before.appId !== client.app.id) {
      throw new Refused('refresh_token_expired')
    }
    requireKey(exchange, before.jkt)
    const user = world.directory.user(before.userId)
    exchange.identify({ userId: user.id, username: user.username })
    if (!world.refreshTokens.begin(presented)) throw new Refused('already_processing')
    exchange.onDelivered(() => world.refreshTokens.finish(presented))

    await sleep(world.settings().refreshProcessingMs, undefined, { signal: world.stopped })

    const idleMs = client.configuration.refreshTokenIdleMs
    const current = assertUsable(world.refreshTokens.find(presented) ?? before, idleMs, world)
    admit({ client, user, grant: 'refreshToken' }, exchange, world)
    const rotates = client.configuration.refreshTokenRotation
    const next = world.refreshTokens.use(current.token, rotates)
    return {
      client,
      user,
      scopes: scopesWithout(next.scopes, ['refresh_token', 'offline_access']),
      signed: true,
      familyId: next.familyId,
      jkt: next.jkt,
      ...(rotates ? { refreshToken: next.token } : {}),
    }
  },
}

function assertUsable(token: RefreshToken, idleMs: number | null, world: World): RefreshToken {
  if (token.state === 'rotated') {
    world.refreshTokens.revokeFamily(token.familyId)
    world.sessions.endWhere(({ familyId }) => familyId === token.familyId)
  }
  const isIdle = idleMs !== null && world.clock.now() - token.usedAt > idleMs
  if (token.state !== 'current' || isIdle) throw new Refused('refresh_token_expired')
  return token
}
