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
  /** Whether the request may contain scopes. */
  readonly takesScope: boolean
  /** Checks everything and returns what to issue. Throws `Refused`. */
  grant(exchange: Exchange, world: World): Granted | Promise<Granted>
}

export interface Granted {
  readonly client: Client
  readonly user: User
  readonly scopes: readonly string[]
  /** Whether the answer has `issued_at` and `signature`. */
  readonly signed: boolean
  /** Whether the token is an asset token: a JWT without an instance. */
  readonly isAsset?: boolean
  /** The family of the refresh token, which has its own sessions. */
  readonly familyId?: string
  /** A new refresh token for the answer. */
  readonly refreshToken?: string
  /** Thumbprint of the key that the tokens are bound to. Absent: the type of the grant decides. */
  readonly jkt?: string | undefined
}

/** The scopes without those in the second list. */
export function scopesWithout(
  scopes: readonly string[],
  unwanted: readonly string[],
): readonly string[] {
  return scopes.filter((scope) => !unwanted.includes(scope))
}

/** A user's approval in a browser. With the scope for it, it has a refresh token. */
export function approvedBy(
  client: Client,
  user: User,
  scopes: readonly string[],
  world: World,
  jkt?: string,
): Granted {
  const issued = {
    jkt,
    client,
    user,
    signed: true,
    scopes: scopes.filter((one) => !isRefreshScope(one)),
  }
  if (!scopes.some(isRefreshScope)) return issued
  const approval = { clientId: client.clientId, userId: user.id, scopes, jkt }
  const { token, familyId } = approve(world, approval)
  return { ...issued, familyId, refreshToken: token }
}
