/** Integrations of a file as targets of the doctor, without a broker and a store. */

import { ConfigError } from '../config/config-error.ts'
import type { DeclaredEntry } from '../config/file.ts'
import { type ReadFile, withFiles } from '../config/loader.ts'
import {
  activeOf,
  type Credential,
  type CredentialSecrets,
  NO_SECRETS,
  openCredential,
} from '../credentials/credential.ts'
import { atSignerIn } from '../credentials/dpop-keys.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import type { Intake } from '../credentials/intake.ts'
import type { OutsideSecrets } from '../credentials/outside-secrets.ts'
import { type DiagnosisCheck, failed, warned } from '../doctor/check.ts'
import type { DiagnosisTarget } from '../doctor/diagnosis-target.ts'
import { isBound, tokenNotBound } from '../dpop/binding.ts'
import { type StoredDpopKey, trialKeyFor } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import { identityChanged, identityOf, judgeIdentity } from '../identity/identity.ts'
import { compose, definitionOf, type IntegrationInput } from '../integrations/composition.ts'
import {
  clientIdOf,
  type Integration,
  needsCredential,
  presentsRefreshToken,
  sourceOf,
} from '../integrations/integration.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { TokenRequester } from '../tokens/serve/token-request.ts'

interface FileTargetsDependencies {
  readonly intake: Intake
  readonly outside: Pick<OutsideSecrets, 'filled'>
  readonly hosts: Pick<HostRules, 'checkLoginUrl'>
  readonly requester: TokenRequester
  /** Reads a file that an entry names. Throws `ConfigError`. */
  readonly readText: ReadFile
  readonly now: () => number
  readonly uniqueId: () => string
}

/** An entry as an integration, with known failures. */
interface Composed {
  readonly integration: Integration
  /** Its own credentials, or those of another entry. */
  readonly credentials: readonly Credential[]
  readonly secrets: CredentialSecrets
  /** Its own key at a signer for proofs. */
  readonly proofKey: StoredDpopKey | undefined
  readonly knownFailure?: DiagnosisCheck
  readonly tokenWarning?: DiagnosisCheck
}

interface FileTargets {
  /** Returns a failed check if the entry does not define an integration. */
  targetOf(
    entry: DeclaredEntry,
    others: readonly DeclaredEntry[],
  ): Promise<DiagnosisTarget | DiagnosisCheck>
}

const MEND = 'Correct the file.'

export function createFileTargets(dependencies: FileTargetsDependencies): FileTargets {
  const { intake, outside, hosts, requester, readText, now, uniqueId } = dependencies

  const freshOf = async (
    { name, files }: DeclaredEntry,
    input: IntegrationInput,
  ): Promise<FreshCredential | DiagnosisCheck | undefined> => {
    const { generate, from } = input.credential ?? {}
    if (!input.credential || generate || from !== undefined) return undefined
    const needed = grantOf(input.grant.type).credentialType(input.grant)
    try {
      const { credential } = withFiles(input, files, readText)
      return await intake.take(credential ?? {}, needed, name, { expiredIsWarning: true })
    } catch (error) {
      if (error instanceof ConfigError) return failed('definition', mistakesIn(error), MEND)
      if (!(error instanceof BrokerError)) throw error
      const isPair = needed === 'certificate' && error.code === 'credential_invalid'
      return failed(isPair ? 'key_pair' : 'definition', `${error.detail}.`, MEND)
    }
  }

  const composedOf = async (
    entry: DeclaredEntry,
    input: IntegrationInput,
    owner: Composed | undefined,
  ): Promise<Composed> => {
    const { name } = entry
    const given = { ...input, credential: input.credential ?? {} }
    const { dpop, secrets: known } = await intake.withProofKey(name, input.dpop, NO_SECRETS)
    const definition = definitionOf({ ...given, ...(dpop && { dpop }) }, hosts, undefined)
    const fresh = await freshOf(entry, input)
    const isWrong = fresh !== undefined && 'check' in fresh
    const { integration, secrets } = compose(
      {
        ...{ name, definition, managedBy: 'file' as const, current: undefined },
        secrets: known,
        fresh: isWrong ? undefined : fresh,
        owner: owner?.integration,
      },
      { now, uniqueId },
    )
    const tokenWarning = tokenWarningOf(integration, input)
    const own = {
      ...{ integration, proofKey: atSignerIn(secrets.dpopKeys) },
      ...(tokenWarning && { tokenWarning }),
    }
    if (owner) return { ...owner, ...own }
    const { credentials } = integration
    return { ...own, credentials, secrets, ...(isWrong && { knownFailure: fresh }) }
  }

  const compositionOf = async (
    entry: DeclaredEntry,
    others: readonly DeclaredEntry[],
  ): Promise<Composed | DiagnosisCheck> => {
    const { input, mistakes } = entry
    if (!input) return failed('definition', `${mistakes.join('; ')}.`, MEND)
    const from = input.credential?.from
    const holder = from === undefined ? undefined : others.find(({ name }) => name === from)
    const isBorrower = holder?.input?.credential?.from !== undefined
    if (from !== undefined && (!holder?.input || isBorrower)) {
      return failed('definition', `The file has no ${from} with its own credential.`, MEND)
    }
    try {
      const owner = holder?.input && (await composedOf(holder, holder.input, undefined))
      return await composedOf(entry, input, owner)
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      return failed('definition', `${error.detail}.`, MEND)
    }
  }

  return {
    async targetOf(entry, others) {
      const composed = await compositionOf(entry, others)
      return 'check' in composed ? composed : targetFrom(composed, requester, outside)
    },
  }
}

function targetFrom(
  { integration, credentials, secrets, proofKey, knownFailure, tokenWarning }: Composed,
  requester: TokenRequester,
  outside: Pick<OutsideSecrets, 'filled'>,
): DiagnosisTarget {
  const open: DiagnosisTarget['open'] = async (credential) => {
    const secret = (await outside.filled(secrets)).byId[credential.id]
    if (!secret) throw new BrokerError('record_corrupt', 'The secret of a credential is missing')
    return openCredential(secret)
  }
  return {
    integration,
    credentials,
    ...(knownFailure && { knownFailure }),
    ...(tokenWarning && { tokenWarning }),
    open,
    proofKey: async () => proofKey,
    charge: async () => undefined,
    async mint(charge): Promise<Lease> {
      const active = activeOf(credentials)
      const clientId = clientIdOf(integration, active)
      if (clientId === undefined || (!active && needsCredential(integration))) {
        throw new BrokerError('integration_draft', 'It has no client id or no credential')
      }
      const credential = active ? await open(active) : { type: 'none' as const }
      const signer = { clientId, credential, ...trialKeyFor(integration, proofKey) }
      const lease = await requester.request(integration, signer, charge)
      if (integration.identity.expect?.dpop && !isBound(lease)) throw tokenNotBound()
      const { changed } = judgeIdentity(integration.identity, undefined, lease)
      if (changed.length === 0) return lease
      throw identityChanged(changed, integration.identity, undefined, identityOf(lease))
    },
  }
}

/** Credentials that only the service has or may use. */
function tokenWarningOf(
  integration: Integration,
  { credential }: IntegrationInput,
): DiagnosisCheck | undefined {
  const tokenWarning = (why: string) =>
    warned('mint', why, 'Use POST /integrations/{name}/test of the service.')
  if (credential?.generate)
    return tokenWarning('Its key was generated in the service and exists only there.')
  if (presentsRefreshToken(integration)) {
    return tokenWarning(
      'Only the service uses its refresh token, because it keeps the rotated one.',
    )
  }
  if (sourceOf(integration) === undefined) return undefined
  return tokenWarning(
    'It exchanges the token of another integration, which only the service mints.',
  )
}

const mistakesIn = ({ mistakes }: ConfigError) => `${mistakes.join('; ')}.`
