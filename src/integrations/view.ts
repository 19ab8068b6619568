/** Converts integrations to and from their wire form. */
import type { Static } from 'typebox'
import { credentialInputOf, type GivenCredential } from '../credentials/credential-input.ts'
import { BrokerError } from '../errors/errors.ts'
import { camelKeys, snakeKeys } from '../http/server/casing.ts'
import { deploymentNamed } from './certificate-deployment.ts'
import type { IntegrationInput } from './composition.ts'
import { type Integration, isWatched } from './integration.ts'
import type { IntegrationBody, IntegrationView, WrittenView } from './schemas/schemas.ts'
import type { IntegrationStatus } from './status.ts'

const time = (at: number) => new Date(at).toISOString()

type GivenIntegration = Omit<IntegrationInput, 'credential'> & {
  readonly credential?: GivenCredential
}

/** Drops read-only members, so that a client can send back the body of a GET. */
export function inputOf(body: IntegrationBody): IntegrationInput {
  const { name: _n, managed_by: _m, created_at: _c, updated_at: _u, status: _s, ...written } = body
  const { credential, ...input } = deploymentNamed(camelKeys(written)) as GivenIntegration
  return credential ? { ...input, credential: credentialInputOf(credential) } : input
}

/** The writable members of an integration in the form of a GET. A merge patch is applied to them. */
export function writableOf(integration: Integration): Record<string, unknown> {
  return {
    description: integration.description,
    enabled: integration.enabled,
    labels: integration.labels,
    login_url: integration.loginUrl,
    grant: snakeKeys(integration.grant),
    ...(integration.credentialFrom !== null && {
      credential: { from: integration.credentialFrom },
    }),
    token_lifetime: integration.tokenLifetime,
    keep_warm: integration.keepWarm,
    watch: isWatched(integration),
    logins_per_hour: integration.loginsPerHour,
    ...(integration.refreshTokenIdleDays !== undefined && {
      refresh_token_idle_days: integration.refreshTokenIdleDays,
    }),
    serve_tokens: integration.serveTokens,
    ...(integration.exchangeLoginUrls && { exchange_login_urls: integration.exchangeLoginUrls }),
    identity: snakeKeys(integration.identity),
    ...(integration.certificateDeployment && {
      deployment: snakeKeys(integration.certificateDeployment),
    }),
    ...(integration.dpop && { dpop: snakeKeys(integration.dpop) }),
  }
}

export function integrationViewOf(
  integration: Integration,
  status: IntegrationStatus,
): Static<typeof IntegrationView> {
  const { lease } = status
  return {
    name: integration.name,
    ...writableOf(integration),
    managed_by: integration.managedBy,
    created_at: time(integration.createdAt),
    updated_at: time(integration.updatedAt),
    status: {
      state: status.state,
      shares_token_with: status.sharesTokenWith,
      shares_token_with_count: status.sharersCount,
      ...(status.lentTo && { lent_to: status.lentTo }),
      lease: lease && {
        token_id: lease.tokenId,
        issued_at: time(lease.issuedAt),
        expires_at: time(lease.expiresAt),
        refresh_at: time(lease.refreshAt),
        expiry_source: lease.expirySource,
        ...(lease.proof !== undefined && { proof: lease.proof }),
        ...(lease.bound !== undefined && { bound: lease.bound }),
        ...(lease.keyThumbprint !== undefined && { key_thumbprint: lease.keyThumbprint }),
      },
      last_refusal: status.lastRefusal,
      identity: status.identity && snakeKeys(status.identity),
      ...(status.connection && {
        connection: {
          state: status.connection.state,
          reason: status.connection.reason,
          since: status.connection.since === null ? null : time(status.connection.since),
        },
      }),
      ...(status.frozen && {
        frozen: { ...status.frozen, since: time(status.frozen.since) },
      }),
      logins_last_hour: status.loginsLastHour,
      certificate_expires_at:
        status.certificateExpiresAt === null ? null : time(status.certificateExpiresAt),
    },
  } as Static<typeof IntegrationView>
}

/** For a writer without read permission: shows no member of the former state. */
export const writtenOf = (integration: Integration): Static<typeof WrittenView> => ({
  name: integration.name,
  managed_by: integration.managedBy,
  created_at: time(integration.createdAt),
  updated_at: time(integration.updatedAt),
})

/** For a PUT without read permission: shows what was sent, without the credential that was kept. */
export const putOf = (integration: Integration): Static<typeof WrittenView> => {
  const { credential: _, ...put } = writableOf(integration)
  return { ...writtenOf(integration), ...put }
}

/** A merge patch with the former name of a member replaced. */
export function patchOf(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { certificate_deployment: former, ...patch } = body
  return former === undefined ? patch : { deployment: former, ...patch }
}

/** Deeper than any integration. */
const PATCH_DEPTH = 16

/** RFC 7396. A null in the patch removes the member, which then gets its default. Throws `request_invalid`. */
export function mergePatch(target: unknown, patch: unknown, depth = 0): unknown {
  if (!isRecord(patch)) return patch
  if (depth === PATCH_DEPTH) {
    throw new BrokerError('request_invalid', `body is nested more than ${PATCH_DEPTH} deep`)
  }
  const merged = new Map(isRecord(target) ? Object.entries(target) : [])
  for (const [member, value] of Object.entries(patch)) {
    if (value === null) merged.delete(member)
    else merged.set(member, mergePatch(merged.get(member), value, depth + 1))
  }
  return Object.fromEntries(merged)
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
