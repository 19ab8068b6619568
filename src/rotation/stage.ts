/** Staging: credentials are added, certified and staged beside the active one. Each step is one compare-and-set write. */
import { allows, type Principal } from '../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../callers/reference-table.ts'
import type { Credential, CredentialSecrets } from '../credentials/credential.ts'
import { activeOf, addSecret, digestOfCredential, NO_SECRETS } from '../credentials/credential.ts'
import { type CredentialInput, checkShape } from '../credentials/credential-input.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import type { Intake } from '../credentials/intake.ts'
import { NO_REMARKS, type Remarks } from '../credentials/key-material.ts'
import { added, certified, completed, without } from '../credentials/stages.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { NewPair } from '../grants/org-api/credentials-api.ts'
import type { CredentialWriter } from '../integrations/credential-writer.ts'
import { checkClientId } from '../integrations/definition-rules.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore, SealedIntegration } from '../integrations/integration-store.ts'
import { checkIfMatch, type Preconditions } from '../integrations/preconditions.ts'
import type { Authorise } from '../integrations/references/visible.ts'

/** A new credential. Has its client if that is new too. */
export interface StagingInput extends Omit<CredentialInput, 'from'> {
  readonly clientId?: string
}

export interface Staged {
  readonly integration: Integration
  /** The current credential. After a removal, its last state. */
  readonly credential: Credential
  /** Remarks about the new credential. */
  readonly remarks: Remarks
}

/** The principal and the precondition. */
export interface StagingRequest {
  /** Checks the permission on the record that is replaced. */
  readonly authorise: Authorise
  readonly preconditions: Preconditions
}

/** Every step throws `integration_not_found`, `credential_state`, `integration_changed`, `conflict`, and what `authorise` throws. */
export interface Staging {
  /** Stages a credential. The first one of an integration becomes active at once. A client secret that Salesforce will generate is pending until its deployment. Throws `credential_invalid`, `request_invalid`. */
  stage(name: string, input: StagingInput, request: StagingRequest): Promise<Staged>
  /** Adds the certificate of a pending key. Throws `credential_not_found`, `credential_invalid`. */
  certify(name: string, id: string, pem: string, request: StagingRequest): Promise<Staged>
  /** Adds the pair that Salesforce generated for a pending client secret. Throws `credential_not_found`. */
  complete(name: string, id: string, pair: NewPair, request: StagingRequest): Promise<Staged>
  /** Erases a credential that is not active. Throws `credential_not_found`. */
  remove(name: string, id: string, request: StagingRequest): Promise<Staged>
}

/** Result of a step: the new credentials, and the id of the affected one. */
interface Step {
  readonly id: string
  readonly credentials: readonly Credential[]
  readonly secrets: CredentialSecrets
  readonly remarks: Remarks
}

const STAGING_KINDS = [
  'generate',
  'private_key',
  'keystore',
  'signer',
  'csr',
  'client_secret',
  'refresh_token',
] as const

export function createStaging(dependencies: {
  readonly store: Pick<IntegrationStore, 'readSealed'>
  readonly credentials: Pick<CredentialWriter, 'change'>
  readonly intake: Intake
  readonly now: () => number
}): Staging {
  const { store, credentials: writer, intake, now } = dependencies

  const authorised = async (
    name: string,
    sealed: SealedIntegration | undefined,
    { authorise }: StagingRequest,
  ): Promise<{ readonly integration: Integration; readonly secrets: CredentialSecrets }> => {
    const secrets = sealed ? await sealed.open() : NO_SECRETS
    const integration = await authorise(name, sealed?.integration)
    checkOwn(integration)
    return { integration, secrets }
  }

  /** A write with an `If-Match` for one version is not retried. */
  const change = async (
    name: string,
    request: StagingRequest,
    decide: (integration: Integration, secrets: CredentialSecrets) => Step,
  ): Promise<Staged> => {
    const changed = await writer.change(name, async (sealed) => {
      const { integration: before, secrets: held } = await authorised(name, sealed, request)
      const step = decide(before, held)
      checkIfMatch(request.preconditions, before)
      const isFollowed = mintingOf(step.credentials) !== mintingOf(before.credentials)
      return { ...step, before, updatedAt: now(), isFollowed }
    })
    if (!changed) throw new BrokerError('integration_not_found', 'No integration has this name')
    const {
      integration,
      change: { id, before, remarks },
    } = changed
    return { integration, credential: find(integration, id) ?? credentialIn(before, id), remarks }
  }

  return {
    async stage(name, { clientId, ...input }, request) {
      checkShape(input, 'body', STAGING_KINDS)
      if (clientId !== undefined) checkClientId(clientId, 'body/client_id')
      const { integration } = await authorised(name, await store.readSealed(name), request)
      const needed = grantOf(integration.grant.type).credentialType(integration.grant)
      // Generating a key is slow, so a request that must fail is refused before.
      const sample = { ...SAMPLE, state: input.csr ? ('pending' as const) : ('staged' as const) }
      added(integration.credentials, sample, now())
      checkIfMatch(request.preconditions, integration)
      if (needed === 'client_secret' && input.generate && !input.signer) {
        return change(name, request, (current, secrets) => {
          checkAwaitable(current, input, clientId)
          const credential = intake.awaited()
          const credentials = added(current.credentials, credential, now())
          return { id: credential.id, secrets, credentials, remarks: NO_REMARKS }
        })
      }
      const fresh = await intake.take(input, needed, name)
      return change(name, request, (current, secrets) => {
        checkKind(fresh, current)
        intake.checkRotates(fresh.credential, current.certificateDeployment?.rotateEveryDays)
        checkNew(fresh, secrets, current.credentials)
        const credential = { ...fresh.credential, clientId: clientFor(current, clientId) }
        return {
          id: credential.id,
          credentials: added(current.credentials, credential, now()),
          secrets: addSecret(secrets, credential, fresh.secret),
          remarks: fresh.remarks,
        }
      })
    },

    certify: (name, id, pem, request) =>
      change(name, request, (current, secrets) => {
        const secret = secrets.byId[id]
        if (credentialIn(current, id).state !== 'pending' || secret?.type !== 'certificate') {
          throw new BrokerError(
            'credential_state',
            'Only a pending credential is completed by a certificate',
          )
        }
        const { certificate, remarks } = intake.certify(pem, secret)
        const credentials = certified(current.credentials, id, certificate, now())
        return { id, secrets, credentials, remarks }
      }),

    complete: (name, id, { clientId, clientSecret }, request) =>
      change(name, request, (current, held) => {
        const { state, type } = credentialIn(current, id)
        if (state !== 'pending' || type !== 'client_secret') {
          throw new BrokerError('credential_state', 'Only a pending secret is completed by a pair')
        }
        const own = clientId === current.grant.clientId ? null : clientId
        const credentials = completed(current.credentials, id, own, now())
        const secret = { type, clientSecret: clientSecret.reveal() }
        const secrets = addSecret(held, credentialIn(current, id), secret)
        return { id, secrets, credentials, remarks: NO_REMARKS }
      }),

    remove: (name, id, request) =>
      change(name, request, (current, secrets) => {
        credentialIn(current, id)
        return { id, secrets, credentials: without(current.credentials, id), remarks: NO_REMARKS }
      }),
  }
}

/** Without a named client, it is the client of the active credential, which may belong to another app. Null: the integration's own. */
function clientFor({ grant, credentials }: Integration, named: string | undefined): string | null {
  const wanted = named ?? activeOf(credentials)?.clientId ?? null
  return wanted === grant.clientId ? null : wanted
}

/** An integration without own credentials cannot rotate. The problem names the owner if the principal may read it, with any labels. */
export function checkOwn({ credentialFrom }: Integration, principal?: Principal): void {
  if (credentialFrom === null) return
  const isNamed =
    principal !== undefined && allows(principal, NAMED_IN_ANSWERS, { name: credentialFrom })
  throw new BrokerError(
    'credential_state',
    `It signs with the credentials of ${isNamed ? credentialFrom : 'another integration'}: rotate them there`,
  )
}

/** Salesforce generates the secret beside the current one, so the request must not contain one. */
function checkAwaitable(
  { credentials, certificateDeployment }: Integration,
  { refreshToken }: Omit<StagingInput, 'clientId'>,
  clientId: string | undefined,
): void {
  if (!certificateDeployment) {
    throw new BrokerError(
      'credential_invalid',
      'This grant needs a client_secret; Salesforce makes one for an integration with a deployment',
    )
  }
  if (refreshToken !== undefined || clientId !== undefined) {
    throw new BrokerError('credential_invalid', 'Salesforce makes the secret, and its consumer key')
  }
  if (!activeOf(credentials)) {
    throw new BrokerError('credential_state', 'Salesforce makes a secret beside one that is in use')
  }
}

const SAMPLE: Credential = {
  id: 'sample',
  type: 'certificate',
  state: 'staged',
  clientId: null,
  createdAt: 0,
  activatedAt: null,
  retiresAt: null,
  certificate: null,
}

/** The credentials whose tokens are valid, for all integrations that sign with them. */
const mintingOf = (credentials: readonly Credential[]): string =>
  credentials
    .filter(({ state }) => state === 'active' || state === 'retired')
    .map(({ id }) => id)
    .join()

const find = ({ credentials }: Integration, id: string) =>
  credentials.find((credential) => credential.id === id)

function credentialIn(integration: Integration, id: string): Credential {
  const credential = find(integration, id)
  if (!credential) {
    throw new BrokerError('credential_not_found', 'There is no credential with this id')
  }
  return credential
}

/** The grant may have changed while the key was generated. */
function checkKind({ credential }: FreshCredential, { grant }: Integration): void {
  if (grantOf(grant.type).credentialType(grant) === credential.type) return
  throw new BrokerError('integration_changed', 'The grant of the integration was changed meanwhile')
}

/** A promotion between two states of the same secret would have no effect. */
function checkNew(
  { credential, secret }: FreshCredential,
  { byId }: CredentialSecrets,
  credentials: readonly Credential[],
): void {
  const digest = digestOfCredential(secret, credential.certificate)
  for (const { id, state, certificate } of credentials) {
    const known = byId[id]
    if (known && digestOfCredential(known, certificate) === digest) {
      throw new BrokerError('credential_state', `It is there already: ${id} is ${state}`)
    }
  }
}
