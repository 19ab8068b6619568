/** Status of an integration, which a read shows with its definition. */
import { activeOf } from '../../credentials/credential.ts'
import type { ConnectionState } from '../../custody/connection.ts'
import type { Custody } from '../../custody/custody.ts'
import { boundKeyOf } from '../../dpop/binding.ts'
import type { SeenIdentity } from '../../identity/identity.ts'
import type { PinStore } from '../../identity/pin-store.ts'
import { readSubject, type TokenSubject } from '../../identity/subject.ts'
import {
  clientIdOf,
  type Integration,
  isDraft,
  presentsRefreshToken,
} from '../../integrations/integration.ts'
import type { IntegrationState, IntegrationStatus } from '../../integrations/status.ts'
import type { Budgets } from '../../store/budgets.ts'
import type { Documents, Look, Outcomes } from '../../store/store.ts'
import { HOUR_MS, loginBudgetKey } from '../mint/login-budget.ts'
import { lastRefusalOf } from '../mint/refusal-memory.ts'
import type { Lease } from './lease.ts'
import type { LeaseStore } from './lease-store.ts'

export interface StatusReader {
  statusOf(integration: Integration): Promise<IntegrationStatus>
  /** Undefined: its grant uses no refresh token. */
  connectionOf(integration: Integration): Promise<ConnectionState | undefined>
}

interface StatusDependencies {
  readonly outcomes: Pick<Outcomes, 'look' | 'holders'>
  readonly documents: Pick<Documents, 'read'>
  readonly budgets: Pick<Budgets, 'used'>
  readonly leases: Pick<LeaseStore, 'open'>
  readonly pins: Pick<PinStore, 'read'>
  readonly custody: Pick<Custody, 'state'>
  readonly now: () => number
}

export function createStatusReader(dependencies: StatusDependencies): StatusReader {
  const { outcomes, documents, budgets, leases, pins, custody, now } = dependencies

  const liveLease = async (look: Look | undefined): Promise<Lease | undefined> => {
    const record = look?.outcome.lease
    if (!look || !record || !look.integration.digests.includes(record.digest)) return undefined
    const lease = await leases.open(look, record)
    return lease.expiresAt > now() ? lease : undefined
  }

  const connectionOf: StatusReader['connectionOf'] = async (integration) => {
    if (!presentsRefreshToken(integration)) return undefined
    const active = activeOf(integration.credentials)
    const clientId = clientIdOf(integration, active)
    return custody.state(integration, clientId, active?.refreshTokenId)
  }

  return {
    connectionOf,
    async statusOf(integration) {
      const { name, uid } = integration
      const [look, subject, { pin }, loginsLastHour, connection] = await Promise.all([
        outcomes.look(name),
        readSubject(documents, integration),
        pins.read(integration),
        budgets.used(loginBudgetKey(integration), HOUR_MS),
        connectionOf(integration),
      ])
      const lease = look?.integration.uid === uid ? await liveLease(look) : undefined
      const holders = lease ? await outcomes.holders(lease.tokenId) : []
      const refusal = look?.outcome.refusal
      const last =
        refusal && refusal.version === integration.version
          ? lastRefusalOf(name, refusal)
          : undefined
      const seen = pin?.seen?.version === integration.version ? pin.seen : null
      return {
        state: stateOf(
          integration,
          lease,
          last?.refusal ?? null,
          subject,
          seen !== null,
          connection,
        ),
        connection: connection ?? null,
        sharesTokenWith: holders.filter((holder) => holder !== name),
        lease: lease
          ? {
              tokenId: lease.tokenId,
              issuedAt: lease.issuedAt,
              expiresAt: lease.expiresAt,
              refreshAt: lease.refreshAt,
              expirySource: lease.expirySource,
              ...(lease.proof !== undefined && { proof: lease.proof }),
              ...bindingOf(lease),
            }
          : null,
        lastRefusal: last?.refusal ?? null,
        identity: identityStatus(subject, seen),
        loginsLastHour,
        certificateExpiresAt: activeOf(integration.credentials)?.certificate?.notAfter ?? null,
      }
    },
  }
}

function bindingOf(lease: Lease) {
  if (!lease.dpop) return {}
  const keyThumbprint = boundKeyOf(lease)?.thumbprint
  return {
    bound: keyThumbprint !== undefined,
    ...(keyThumbprint !== undefined && { keyThumbprint }),
  }
}

function stateOf(
  integration: Integration,
  lease: Lease | undefined,
  refusal: { readonly class?: string } | null,
  subject: TokenSubject | undefined,
  hasOtherIdentity: boolean,
  connection: ConnectionState | undefined,
): IntegrationState {
  if (!integration.enabled) return 'disabled'
  if (isDraft(integration)) return 'draft'
  // Also while a lease is valid: an operator has to act before it ends.
  if (connection?.state === 'not_connected') return 'not_connected'
  if (lease) return 'ready'
  if (hasOtherIdentity) return 'identity_changed'
  if (refusal) return refusal.class === 'propagating' ? 'propagating' : 'refused'
  return subject ? 'ready' : 'unproven'
}

/** The identity that is served, and the one that is not. */
function identityStatus(
  subject: TokenSubject | undefined,
  seen: SeenIdentity | null,
): IntegrationStatus['identity'] {
  if (!subject && !seen) return null
  return {
    orgId: subject?.orgId ?? null,
    userId: subject?.userId ?? null,
    instanceUrl: subject?.instanceUrl ?? null,
    ...(seen && {
      seen: {
        orgId: seen.orgId,
        userId: seen.userId,
        instanceUrl: seen.instanceUrl,
        at: new Date(seen.at).toISOString(),
      },
    }),
  }
}
