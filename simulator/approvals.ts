import type { RefreshToken } from './refresh-tokens.ts'
import type { World } from './world.ts'

/** Approvals of an app by a user. Each has a refresh token. A sixth approval ends the oldest (protocol, section 3.1). */
interface NewApproval {
  readonly clientId: string
  readonly userId: string
  readonly scopes: readonly string[]
  /** Thumbprint of the key that the refresh token is bound to. Undefined: to none. */
  readonly jkt?: string | undefined
}

/** If users approve apps by themselves, the user counts as approved from now on. */
export function approve(
  world: World,
  { clientId, userId, scopes, jkt }: NewApproval,
): RefreshToken {
  const { id: appId, orgId, configuration } = world.apps.get(clientId)
  const { granted, evicted } = world.refreshTokens.approve({ orgId, userId, appId, scopes, jkt })
  world.sessions.endWhere(({ familyId }) => familyId !== undefined && evicted.includes(familyId))
  const { permittedUsers, approvedUsernames } = configuration.latest()
  const { username } = world.directory.user(userId)
  if (permittedUsers === 'self_authorize' && !approvedUsernames.includes(username)) {
    world.apps.update(clientId, { approvedUsernames: [...approvedUsernames, username] })
  }
  return granted
}
