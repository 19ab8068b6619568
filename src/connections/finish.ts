/** The last step of both flows: stores the tokens for the integration if it is still allowed, otherwise revokes them. */

import type { PermissionResolver } from '../callers/permission-resolver.ts'
import { allows } from '../callers/policy.ts'
import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import { isSignedWith } from '../grants/token-endpoint/answer-signature.ts'
import type { ClientAuth } from '../grants/token-endpoint/client-auth.ts'
import type { TokenAnswer } from '../grants/token-endpoint/token-answer.ts'
import type { Integration } from '../integrations/integration.ts'
import { type Connection, type ConnectionEnding, type REASONS, targetOf } from './connection.ts'

/** The app of the integration at Salesforce. */
export interface Client {
  readonly clientId: string
  readonly clientAuth: ClientAuth
  /** Current and former client secrets, because one of them signs answers. Empty: there is none, or the client authenticates with a key. */
  readonly clientSecrets: readonly Secret[]
}

export interface Finish {
  /** Returns the integration if the principal may still connect it, otherwise the reason. */
  check(connection: Connection): Promise<Integration | keyof typeof REASONS>
  /** Requests tokens. If the answer is not usable, revokes its refresh token. `dpopKey`: the key that the tokens are to be bound to. */
  ask<Answer>(
    integration: Integration,
    dpopKey: StoredDpopKey | undefined,
    request: (onRefreshToken: (token: Secret) => void) => Promise<Answer>,
  ): Promise<Answer>
  /** Returns how the connection ended. Revokes tokens that are not kept. */
  settle(connection: Connection, got: Got): Promise<ConnectionEnding>
  /** Revokes tokens that are no longer needed. Never throws. */
  discard(got: Got): Promise<void>
}

/** The tokens of Salesforce and their connection. */
export interface Got {
  readonly integration: Integration
  readonly client: Client
  readonly answer: TokenAnswer
  /** The key that the tokens were requested with. Undefined: without. */
  readonly dpopKey: StoredDpopKey | undefined
}

export function createFinish(dependencies: {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly permissions: PermissionResolver
  /** Throws `identity_changed` if the tokens are of another org or user than before. */
  readonly identity: { check(integration: Integration, answer: TokenAnswer): Promise<void> }
  readonly custody: {
    /** Durable when it resolves. `changed`: the current family is not the one to replace. */
    begin(
      integration: Integration,
      fresh: {
        readonly refreshToken: Secret
        readonly clientId: string
        readonly replaces: string | null
        readonly dpopKey: StoredDpopKey | undefined
      },
    ): Promise<'begun' | 'changed' | 'gone'>
  }
  /** Whether the connection ended meanwhile. A disconnect without a refresh token leaves no other trace. */
  readonly isOver: (connection: Connection) => Promise<boolean>
  readonly isFrozen: (integration: Integration) => Promise<boolean>
  /** Revokes a token at Salesforce, at once or later. Never throws. */
  readonly endToken: (
    integration: Integration,
    token: Secret,
    dpopKey: StoredDpopKey | undefined,
  ) => Promise<void>
}): Finish {
  const { integrations, permissions, identity, custody, isOver, isFrozen, endToken } = dependencies

  const check: Finish['check'] = async ({ name, uid, target, by }) => {
    const integration = await integrations.read(name)
    const isSame = integration?.uid === uid && targetOf(integration) === target
    if (!isSame || !integration.enabled) return 'integration_changed'
    if (await isFrozen(integration)) return 'integration_frozen'
    const permits = await permissions.permitsOf(by)
    return allows({ ...by, permits }, 'credentials:write', integration)
      ? integration
      : 'permission_lost'
  }

  /** Revoking a refresh token also ends the access tokens that came with it. */
  const discard = ({ integration, answer, dpopKey }: Got) =>
    endToken(integration, answer.refreshToken ?? answer.accessToken, dpopKey)

  const keep = async (
    connection: Connection,
    { integration, client, answer, dpopKey }: Got,
  ): Promise<ConnectionEnding> => {
    const { refreshToken, signed, orgId, userId, instanceUrl } = answer
    if (refreshToken === undefined) return connectionFailed('refresh_token_missing')
    const { clientId, clientSecrets } = client
    const isSigned = signed && clientSecrets.some((secret) => isSignedWith(signed, secret))
    if (clientSecrets.length > 0 && !isSigned) return connectionFailed('signature_invalid')
    await identity.check(integration, answer)
    if (await isOver(connection)) return connectionFailed('superseded')
    // Salesforce may have taken long, so the check is repeated.
    const current = await check(connection)
    if (typeof current === 'string') return connectionFailed(current)
    const { replaces } = connection
    const begun = await custody.begin(integration, { refreshToken, clientId, replaces, dpopKey })
    if (begun !== 'begun')
      return connectionFailed(begun === 'gone' ? 'integration_changed' : 'superseded')
    const ids = { orgId: orgId ?? null, userId: userId ?? null, instanceUrl }
    return { state: 'connected', identity: ids }
  }

  return {
    check,

    discard,

    async ask(integration, dpopKey, request) {
      let given: Secret | undefined
      try {
        return await request((token) => {
          given = token
        })
      } catch (error) {
        if (given) await endToken(integration, given, dpopKey)
        throw error
      }
    },

    async settle(connection, got) {
      let ending: ConnectionEnding
      try {
        ending = await keep(connection, got)
      } catch (error) {
        ending = endingAfter(error)
      }
      if (ending.state !== 'connected') await discard(got)
      return ending
    },
  }
}

export const connectionFailed = (reason: keyof typeof REASONS): ConnectionEnding => ({
  state: 'failed',
  reason,
  refusal: null,
})

/** How a connection ends after an error of Salesforce or of this service. Throws other errors. */
export function endingAfter(error: unknown): ConnectionEnding {
  if (!(error instanceof BrokerError)) throw error
  const refusal = refusalOf(error) ?? null
  const isDenied = refusal?.reason === 'access_denied'
  return { state: isDenied ? 'denied' : 'failed', reason: error.code, refusal }
}
