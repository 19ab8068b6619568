/** Reads and opens the credentials that a mint signs with. */
import {
  type Credential,
  type CredentialSecrets,
  openCredential,
} from '../../credentials/credential.ts'
import { atSignerIn, dpopKeyOf } from '../../credentials/dpop-keys.ts'
import type { OutsideSecrets } from '../../credentials/outside-secrets.ts'
import { signerKeyOf } from '../../dpop/dpop-key.ts'
import { asksForBound, proofKeyIn } from '../../dpop/dpop-rule.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { IdentityGuard } from '../../identity/identity-guard.ts'
import type { StoredPin } from '../../identity/pin-store.ts'
import type { StoredSubject } from '../../identity/subject.ts'
import {
  clientIdOf,
  draftError,
  type Integration,
  presentsRefreshToken,
} from '../../integrations/integration.ts'
import type { SealedIntegration } from '../../integrations/integration-store.ts'
import { readLender, servesInside } from '../../integrations/references/lending.ts'
import { NO_CREDENTIAL } from '../refresh/preflight.ts'
import type { Signer } from '../serve/token-request.ts'

/** Whose tokens an integration got, and may get. */
export interface Identities extends IdentityGuard {
  subjectOf(integration: Pick<Integration, 'name' | 'uid'>): Promise<StoredSubject | undefined>
}

/** Input of a mint, as read from the store. Secrets are sealed. */
export interface MintRecords {
  readonly sealed: SealedIntegration
  /** The integration whose credentials sign: itself or another. Undefined: it does not exist. */
  readonly owner: SealedIntegration | undefined
  /** The subject that former tokens showed. */
  readonly known: Promise<StoredPin>
}

/** An integration with the opened credentials that it signs with. */
export interface OpenedIntegration {
  readonly integration: Integration
  /** Digests for which its leases may have been minted, as the store has them. */
  readonly digests: readonly string[]
  readonly owner: Integration
  readonly secrets: CredentialSecrets
  /** Its own, also if it signs with the credentials of another. */
  readonly dpopKeys: CredentialSecrets['dpopKeys']
  /** The subject that former tokens showed. */
  readonly known: StoredPin
}

/** Integrations, and the secrets of theirs that are in vaults. */
export interface ReadableIntegrations {
  readSealed(name: string): Promise<SealedIntegration | undefined>
  readonly filled: OutsideSecrets['filled']
}

interface CredentialReaderDependencies {
  readonly integrations: ReadableIntegrations
  readonly identity: Pick<Identities, 'known'>
}

export function createCredentialReader({ integrations, identity }: CredentialReaderDependencies) {
  const read = async (name: string, uid?: string): Promise<MintRecords> => {
    const asked = uid === undefined ? undefined : identity.known({ name, uid })
    asked?.catch(later)
    const sealed = await integrations.readSealed(name)
    if (!sealed) {
      throw new BrokerError('integration_not_found', 'No integration has this name')
    }
    const { integration } = sealed
    const from = integration.enabled ? integration.credentialFrom : null
    const owner = from === null ? sealed : await readLender(integrations, from)
    const known = integration.uid === uid && asked ? asked : identity.known(integration)
    known.catch(later)
    return { sealed, owner, known }
  }

  const open = async (records: Promise<MintRecords>): Promise<OpenedIntegration> => {
    const { sealed, owner, ...asked } = await records
    const { integration, digests } = sealed
    if (!integration.enabled) {
      throw new BrokerError('integration_disabled', 'The integration is disabled')
    }
    // Here its own seal holds no secret, but it authenticates the definition.
    const own = owner === sealed ? undefined : await sealed.open()
    if (!owner) throw draftError(['credential'])
    if (owner !== sealed && servesInside(integration, owner.integration)) throw staysInside()
    const [known, stored] = await Promise.all([asked.known, owner.open()])
    const { dpopKeys } = own ?? stored
    const secrets = await integrations.filled(stored)
    return { integration, digests, owner: owner.integration, secrets, dpopKeys, known }
  }

  return { read, open }
}

/** Whether the vault of its secret refuses it, or has another one by now. Then another credential may work. */
export const isUnreadable = (
  { byId }: CredentialSecrets,
  { id }: Pick<Credential, 'id'>,
): boolean => {
  const secret = byId[id]
  const problem = secret && 'outside' in secret ? secret.problem : undefined
  return problem !== undefined && problem.code !== 'signer_unavailable'
}

/** The client that signs with this credential. Throws `integration_draft`, `record_corrupt`, and the problem of a secret that its vault did not give. */
export const signerOf = (
  { integration, secrets, dpopKeys }: OpenedIntegration,
  credential: Credential,
): Signer => {
  const clientId = clientIdOf(integration, credential)
  const secret = secrets.byId[credential.id]
  if (clientId === undefined) throw draftError(['client id'])
  if (credential === NO_CREDENTIAL) {
    return { clientId, credential: { type: 'none' }, ...provenAway(integration, dpopKeys) }
  }
  if (!secret) {
    throw new BrokerError('record_corrupt', 'The secret of a credential is missing')
  }
  const dpopKey = dpopKeyFor(integration, credential, dpopKeys)
  return {
    ...{ clientId, credential: openCredential(secret) },
    ...(dpopKey && { dpopKey }),
    ...provenAway(integration, dpopKeys),
  }
}

const provenAway = (
  integration: Integration,
  dpopKeys: OpenedIntegration['dpopKeys'],
): Pick<Signer, 'proofsBy'> => {
  const key = proofKeyIn(integration) && signerKeyOf(atSignerIn(dpopKeys))
  return key ? { proofsBy: key } : {}
}

function dpopKeyFor(
  integration: Integration,
  credential: Credential,
  dpopKeys: OpenedIntegration['dpopKeys'],
) {
  if (!asksForBound(integration) || presentsRefreshToken(integration)) return undefined
  const key = dpopKeyOf(integration, credential, dpopKeys)
  if (key) return key
  throw new BrokerError('record_corrupt', 'The DPoP key of a credential is missing', {
    remedy:
      'Set `dpop` of the integration to `{"mode": "off"}` and back to `{"mode": "on"}`, which makes a new key. A release without DPoP may have dropped the key: let all replicas run this one.',
  })
}

/** The error reaches the waiting caller by another promise. */
const later = () => undefined

export const staysInside = () =>
  new BrokerError(
    'caller_forbidden',
    'The token of this integration stays inside the broker: it is of the same user as that of the integration whose credential it signs with',
  )
