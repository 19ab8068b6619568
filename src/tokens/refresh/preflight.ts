/** Prepares the refresh token of an integration before a mint: adopts it from a credential, and checks that it may be used. */
import {
  activeOf,
  type Credential,
  type CredentialSecrets,
  refreshTokenOf,
} from '../../credentials/credential.ts'
import type { Custody } from '../../custody/custody.ts'
import type { RefreshTokenExchange } from '../../custody/exchange.ts'
import type { Introspect } from '../../custody/unknown-outcome-resolver.ts'
import { classify, grantRefused } from '../../grants/refusals/refusals.ts'
import {
  clientIdOf,
  type Integration,
  presentsRefreshToken,
} from '../../integrations/integration.ts'
import { within } from '../../runtime/timeout.ts'

/** An integration, the owner of its credentials, and their secrets. */
interface PreflightTarget {
  readonly integration: Integration
  readonly owner: Pick<Integration, 'credentials'>
  readonly secrets: Pick<CredentialSecrets, 'byId'>
}

export type RefreshTokenPreflight = ReturnType<typeof createRefreshTokenPreflight>

interface RefreshTokenPreflightDependencies {
  readonly custody: Pick<Custody, 'adopt' | 'hasSeen'>
  readonly exchange: Pick<RefreshTokenExchange, 'check' | 'settle'>
}

/** Whether its active credential came with a refresh token. */
export const hasRefreshToken = (integration: Integration): boolean =>
  presentsRefreshToken(integration) &&
  activeOf(integration.credentials)?.refreshTokenId !== undefined

/** Used for an app without client authentication, or for a grant without app. */
export const NO_CREDENTIAL: Credential = {
  id: 'none',
  type: 'refresh_token',
  state: 'active',
  clientId: null,
  createdAt: 0,
  activatedAt: null,
  retiresAt: null,
  certificate: null,
}

const PROOF_MS = 4_000

export function createRefreshTokenPreflight({
  custody,
  exchange,
}: RefreshTokenPreflightDependencies) {
  const clientOf = ({ integration, owner }: PreflightTarget): string | undefined =>
    clientIdOf(integration, activeOf(owner.credentials))

  const tokenOf = (
    { integration, secrets }: PreflightTarget,
    credential: Credential | undefined,
  ) => {
    const secret = credential && secrets.byId[credential.id]
    return integration.credentialFrom === null && secret ? refreshTokenOf(secret) : undefined
  }

  const adopt = async (of: PreflightTarget): Promise<void> => {
    const refreshToken = tokenOf(of, activeOf(of.owner.credentials))
    const clientId = clientOf(of)
    if (!refreshToken || clientId === undefined) return
    await custody.adopt(of.integration, { refreshToken, clientId })
  }

  return {
    /** Candidates that belong to the client of the refresh token. If the app needs no secret, the app alone. */
    candidates(of: PreflightTarget, found: readonly Credential[]): readonly Credential[] {
      const { integration, owner } = of
      const client = clientOf(of)
      if (client === undefined) return []
      const own = found.filter((credential) => clientIdOf(integration, credential) === client)
      const isPublic = integration.credentialFrom === null && owner.credentials.length === 0
      return isPublic ? [NO_CREDENTIAL] : own
    },
    /** Adopts the refresh token of the active credential, if the integration owns the credential and the token is new. */
    adopt,
    /** Throws what a mint would throw: `integration_not_connected`, or `salesforce_unavailable` while it is unsettled. */
    async ready(of: PreflightTarget): Promise<void> {
      await adopt(of)
      await exchange.check(of.integration, clientOf(of) ?? '')
    },
    /** Whether the credential has a refresh token that was never in custody. A proof by a mint would use it up. */
    async bringsToken(of: PreflightTarget, credential: Credential): Promise<boolean> {
      if (credential.state === 'active' || credential.refreshTokenId === undefined) return false
      if (of.integration.credentialFrom !== null) return false
      return !(await custody.hasSeen(of.integration, credential.refreshTokenId))
    },
    /** Introspects the refresh token of such a credential, which does not use it. Throws `grant_refused`. */
    async prove(
      of: PreflightTarget,
      credential: Credential,
      introspect: Introspect,
    ): Promise<void> {
      const refreshToken = tokenOf(of, credential)
      if (!refreshToken) return
      const { active } = await within(PROOF_MS, (signal) => introspect(refreshToken, signal))
      if (!active) throw dead()
    },
    settle: (of: PreflightTarget, introspect: Introspect): Promise<'settled' | 'unknown'> =>
      exchange.settle(of.integration, clientOf(of) ?? '', introspect),
  }
}

/** The error that a token request would get. */
const dead = () =>
  grantRefused(
    classify({
      error: 'invalid_grant',
      errorDescription: 'expired access/refresh token',
      tried: { grant: 'refresh_token', proof: 'none' },
    }),
  )
