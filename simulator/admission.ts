import type { Client } from './apps.ts'
import { proofKeyOf } from './dpop.ts'
import type { Exchange } from './exchange.ts'
import { isAllowedAt, isAllowedFrom, type User } from './orgs.ts'
import { type RefusalName, Refused } from './refusals.ts'
import { restrictionRefusal } from './settings.ts'
import type { World } from './world.ts'

/** Whether a user may log in through an app now. Every grant checks this. */
interface Admission {
  readonly client: Client
  readonly user: User
  readonly grant: 'jwtBearer' | 'clientCredentials' | 'refreshToken' | 'interactive'
}

interface Asked extends Admission {
  readonly exchange: Exchange
  readonly world: World
}

/** Returns a refusal, or undefined if nothing is wrong. */
type Check = (asked: Asked) => RefusalName | undefined

/** In this order. The rate counts every login that reaches its check. */
const CHECKS: readonly Check[] = [orgIsActive, userIsActive, place, hours, rate, approval, proof]

/** Throws the refusal of the first check that fails. */
export function admit(admission: Admission, exchange: Exchange, world: World): void {
  const { user } = admission
  exchange.identify({ userId: user.id, username: user.username })
  for (const check of CHECKS) {
    const refusal = check({ ...admission, exchange, world })
    if (refusal !== undefined) throw new Refused(refusal)
  }
}

function orgIsActive({ client }: Asked): RefusalName | undefined {
  if (client.org.expired) return 'data_not_available'
  return client.org.active ? undefined : 'org_inactive'
}

function userIsActive({ user }: Asked): RefusalName | undefined {
  if (user.state === 'locked') return 'user_locked'
  return user.state === 'active' ? undefined : 'user_inactive'
}

function place({ client, user, exchange, world }: Asked): RefusalName | undefined {
  if (client.configuration.ipPolicy === 'relax') return undefined
  if (isAllowedFrom(user, exchange.remoteAddress)) return undefined
  return restrictionRefusal(world.settings(), 'ip_restricted')
}

function hours({ user, world }: Asked): RefusalName | undefined {
  if (isAllowedAt(user, world.clock.now())) return undefined
  return restrictionRefusal(world.settings(), 'login_hours')
}

function rate({ user, world }: Asked): RefusalName | undefined {
  return world.logins.admit(user.id) ? undefined : 'login_rate_exceeded'
}

/** A refresh token and a recent approval by a user are approvals. A client credentials user needs none. */
function approval({ client, user, grant, world }: Asked): RefusalName | undefined {
  const { permittedUsers, approvedUsernames } = client.configuration
  if (grant === 'refreshToken' || grant === 'interactive') return undefined
  if (approvedUsernames.includes(user.username)) return undefined
  if (permittedUsers === 'admin_approved') return world.settings().notAssigned[grant]
  return grant === 'jwtBearer' ? 'user_not_approved' : undefined
}

/** An app may require that each token has a key. */
function proof({ client, exchange }: Asked): RefusalName | undefined {
  if (!client.configuration.dpopRequired) return undefined
  return proofKeyOf(exchange) === undefined ? 'dpop_proof_missing' : undefined
}
