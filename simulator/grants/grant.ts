import { approve } from '../approvals.ts'
import type { Client } from '../apps.ts'
import type { Exchange } from '../exchange.ts'
import type { User } from '../orgs.ts'
import { isRefreshScope } from '../scopes.ts'
import type { World } from '../world.ts'

/** One `grant_type`. To add one, write its file and list it in `grants/index.ts`. */
export interface Grant {
  /** The `grant_type` parameter. */
  readonly type: string
  /** Whether the request may name scopes. */
  readonly takesScope: boolean
  /** Checks everything, and says what to issue. Throws `Refused`. */
  grant(exchange: Exchange, world: World): Granted | Promise<Granted>
}

export interface Granted {
  readonly client: Client
  readonly user: User
  readonly scopes: readonly string[]
  /** Whether the answer has `issued_at` and `signature`. */
  readonly signed: boolean
  /** Whether the token is an asset token: a JWT that is for no instance. */
  readonly isAsset?: boolean
  /** The refresh token's family, whose sessions are its own. */
  readonly familyId?: string
  /** A new refresh token, to be put in the answer. */
  readonly refreshToken?: string
}

/** The scopes without those in the second list. */
export function scopesWithout(
  scopes: readonly string[],
  unwanted: readonly string[],
): readonly string[] {
  return scopes.filter((scope) => !unwanted.includes(scope))
}

/** What a user allowed in a browser: with the scope for it, an approval of its own and its refresh token. */
export function approvedBy(
  client: Client,
  user: User,
  scopes: readonly string[],
  world: World,
): Granted {
  const issued = {
    client,
    user,
    signed: true,
    scopes: scopes.filter((one) => !isRefreshScope(one)),
  }
  if (!scopes.some(isRefreshScope)) return issued
  const { token, familyId } = approve(world, { clientId: client.clientId, userId: user.id, scopes })
  return { ...issued, familyId, refreshToken: token }
}
