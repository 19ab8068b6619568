/** One mint: open the credentials, and ask Salesforce with one after the other until it takes one. */
import {
  type Credential,
  type CredentialSecrets,
  openCredential,
} from '../../credentials/credential.ts'
import type { Introspect } from '../../custody/unknown-outcome-resolver.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { IdentityGuard } from '../../identity/identity-guard.ts'
import type { StoredPin } from '../../identity/pin-store.ts'
import { isOfSubject, type TokenSubject } from '../../identity/subject.ts'
import type { CredentialWriter } from '../../integrations/credential-writer.ts'
import {
  clientIdOf,
  draftError,
  type Integration,
  type MissingPart,
  needsCredential,
  presentsRefreshToken,
} from '../../integrations/integration.ts'
import type { SealedIntegration } from '../../integrations/integration-store.ts'
import { servesInside } from '../../integrations/references/lending.ts'
import type { Emitter } from '../../runtime/events.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { NO_CREDENTIAL, type RefreshTokenPreflight } from '../refresh/preflight.ts'
import type { Lease } from '../serve/lease.ts'
import type { Signer, TokenRequester } from '../serve/token-request.ts'
import type { TokenEvents } from '../token-events.ts'
import { candidatesOf, isSignatureRefusal, triesOf } from './candidates.ts'
import { refusedWith } from './credential-refusal.ts'
import { RETRIES, tryAgain } from './retry.ts'

/** What a mint begins with, as the store has it. Its secrets are sealed. */
export interface MintRecords {
  readonly sealed: SealedIntegration
  /** Whose credentials it signs with: itself, or another, if that is there. */
  readonly owner: SealedIntegration | undefined
  /** The subject that it was seen to act as. */
  readonly known: Promise<StoredPin>
}

export interface MintOptions {
  /** Called before each request: every one is a login. Throws `login_budget_exhausted`. */
  readonly charge: () => Promise<void>
  /** No try begins after it, by the clock that never steps. */
  readonly deadlineAt: number
  /** Whether the mints before this one worked: then it is worth to keep at it while a change spreads. */
  readonly hasWorked: () => Promise<boolean>
  /** Nobody waits any more: ends a token request, but for one with a refresh token. */
  readonly signal?: AbortSignal
}

interface ProofOptions extends Omit<MintOptions, 'hasWorked'> {
  /** At most so many requests; more than one only helps while a change spreads. */
  readonly tries: number
}

export type Minter = ReturnType<typeof createMinter>

/** Whose tokens an integration has got, and may get. */
export interface Identities extends IdentityGuard {
  subjectOf(integration: Pick<Integration, 'name' | 'uid'>): Promise<TokenSubject | undefined>
}

interface MinterDependencies {
  readonly integrations: { readSealed(name: string): Promise<SealedIntegration | undefined> }
  readonly requester: TokenRequester
  /** Only for grants that present a refresh token. */
  readonly preflight: RefreshTokenPreflight
  readonly credentials: Pick<CredentialWriter, 'promote' | 'follow'>
  readonly events: Pick<Emitter<TokenEvents>, 'emit'>
  readonly identity: Identities
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>
}

/** An integration, and the credentials that it signs with: its own, or another's. */
interface Opened {
  readonly integration: Integration
  /** What a lease of it may have been minted for, as far as the store knows. */
  readonly digests: readonly string[]
  readonly owner: Integration
  readonly secrets: CredentialSecrets
  /** The subject that it was seen to act as. */
  readonly known: StoredPin
}

export function createMinter(dependencies: MinterDependencies) {
  const { integrations, requester, preflight, credentials, events, identity, runtime } =
    dependencies
  /** By the uid of the owner: the credential that Salesforce took last, so that the usual mint is one request. A change of the owner forgets it: what was made active by it comes first. */
  const workedLast = new Map<string, { readonly version: number; readonly id: string }>()

  const hintFor = ({ uid, version }: Integration): string | undefined => {
    const hint = workedLast.get(uid)
    return hint?.version === version ? hint.id : undefined
  }

  const read = async (name: string, uid?: string): Promise<MintRecords> => {
    const asked = uid === undefined ? undefined : identity.known({ name, uid })
    asked?.catch(later)
    const sealed = await integrations.readSealed(name)
    if (!sealed) {
      throw new BrokerError('integration_not_found', 'No integration has this name')
    }
    const { integration } = sealed
    const from = integration.enabled ? integration.credentialFrom : null
    const owner = from === null ? sealed : await integrations.readSealed(from)
    const known = integration.uid === uid && asked ? asked : identity.known(integration)
    known.catch(later)
    return { sealed, owner, known }
  }

  const open = async (records: Promise<MintRecords>): Promise<Opened> => {
    const { sealed, owner, ...asked } = await records
    const { integration, digests } = sealed
    if (!integration.enabled) {
      throw new BrokerError('integration_disabled', 'The integration is disabled')
    }
    // Its own seal holds no secret then, but it holds the definition together.
    if (owner !== sealed) await sealed.open()
    if (!owner) throw draftError(['credential'])
    if (owner !== sealed && servesInside(integration, owner.integration)) throw staysInside()
    const [known, secrets] = await Promise.all([asked.known, owner.open()])
    return { integration, digests, owner: owner.integration, secrets, known }
  }

  const signerOf = ({ integration, secrets }: Opened, credential: Credential): Signer => {
    const clientId = clientIdOf(integration, credential)
    const secret = secrets.byId[credential.id]
    if (clientId === undefined) throw draftError(['client id'])
    if (credential === NO_CREDENTIAL) return { clientId, credential: { type: 'none' } }
    if (!secret) {
      throw new BrokerError('record_corrupt', 'The secret of a credential is missing')
    }
    return { clientId, credential: openCredential(secret) }
  }

  const accepted = async (
    { owner }: Opened,
    credential: Credential,
    refused: ReadonlySet<string>,
  ): Promise<void> => {
    if (workedLast.size > REMEMBERED) workedLast.clear()
    workedLast.set(owner.uid, { version: owner.version, id: credential.id })
    const active = owner.credentials.find(({ state }) => state === 'active')
    const isProof = active !== undefined && refused.has(active.id)
    if (credential.state === 'staged' && isProof) await credentials.promote(owner, credential.id)
  }

  /** Tries one after the other, in rounds. Any refusal that is not about the signature ends it. */
  const tryEach = async (
    opened: Opened,
    candidates: readonly Credential[],
    tries: number,
    { charge, deadlineAt, signal }: Pick<MintOptions, 'charge' | 'deadlineAt' | 'signal'>,
  ): Promise<Lease> => {
    const { integration, owner } = opened
    const refused = new Set<string>()
    const attempt = async (credential: Credential): Promise<Lease> => {
      // A source that fails costs no login.
      await requester.ready(integration)
      try {
        const signer = signerOf(opened, credential)
        const lease = await requester.request(integration, signer, charge, signal)
        await identity.check(integration, lease, opened.known)
        await checkNotInside(opened, lease)
        await accepted(opened, credential, refused)
        return lease
      } catch (error) {
        if (!isSignatureRefusal(error)) throw error
        refused.add(credential.id)
        if (credential.state === 'active') events.emit('credential.refused', owner)
        throw error
      }
    }
    try {
      return await tryAgain(
        runtime,
        [{ ...RETRIES.credential, tries }],
        (count) => attempt(candidates[(count - 1) % candidates.length] ?? NO_CREDENTIAL),
        { deadlineAt },
      )
    } catch (error) {
      if (!isSignatureRefusal(error)) throw error
      throw refusedWith(error, { credentials: candidates, isOwn: owner.uid === integration.uid })
    }
  }

  /** An app that acts as the same user in another way gets the same token: its user shows only now. */
  const checkNotInside = async ({ integration, owner }: Opened, lease: Lease): Promise<void> => {
    if (owner.serveTokens || !integration.serveTokens || owner.uid === integration.uid) return
    const subject = await identity.subjectOf(owner)
    if (subject && isOfSubject(lease, subject)) throw staysInside()
  }

  const candidatesFor = (opened: Opened): readonly Credential[] => {
    const { integration, owner } = opened
    const found = candidatesOf(integration, owner.credentials, hintFor(owner))
    const usual = found.length === 0 && !needsCredential(integration) ? [NO_CREDENTIAL] : found
    const candidates = presentsRefreshToken(integration)
      ? preflight.candidates(opened, found)
      : usual
    if (candidates.length === 0) throw draftError(missingOf(opened))
    return candidates
  }

  /** Asks with one credential after the other until Salesforce takes one. */
  const introspectWith =
    (opened: Opened, candidates: readonly Credential[]): Introspect =>
    async (refreshToken, signal) => {
      let last: unknown
      for (const credential of candidates) {
        const signer = signerOf(opened, credential)
        try {
          const { integration } = opened
          return await requester.introspectRefreshToken(integration, signer, refreshToken, signal)
        } catch (error) {
          if (!isSignatureRefusal(error)) throw error
          last = error
        }
      }
      throw last
    }

  return {
    /** Reads what a mint begins with. Throws `store_unavailable` for what is not remembered, `integration_not_found`. */
    read: ({ name, uid }: Pick<Integration, 'name' | 'uid'>): Promise<MintRecords> =>
      read(name, uid),
    /** A token for the integration as it is now, or as `records` say that it was a moment ago. Throws what the grant throws, and `integration_draft`, `integration_disabled`, `record_corrupt`, `identity_changed`. */
    async mint(
      name: string,
      options: MintOptions,
      records: Promise<MintRecords> = read(name),
    ): Promise<Lease> {
      const opened = await open(records)
      const { integration } = opened
      const candidates = candidatesFor(opened)
      if (presentsRefreshToken(integration)) await preflight.ready(opened)
      const lease = await tryEach(
        opened,
        candidates,
        triesOf(candidates, await options.hasWorked()),
        options,
      )
      if (!opened.digests.includes(lease.digest)) await credentials.follow(integration.name)
      return lease
    },
    /** A token with just this credential, whatever its state. Undefined: it has a refresh token of its own, which a mint would use up before it is the active one; Salesforce said that it lives. */
    async prove(
      name: string,
      credentialId: string,
      options: ProofOptions,
    ): Promise<Lease | undefined> {
      const opened = await open(read(name))
      const credential = opened.owner.credentials.find(({ id }) => id === credentialId)
      if (!credential) {
        throw new BrokerError('credential_not_found', 'There is no credential with this id')
      }
      if (presentsRefreshToken(opened.integration)) {
        if (await preflight.bringsToken(opened, credential)) {
          await options.charge()
          await preflight.prove(opened, credential, introspectWith(opened, [credential]))
          return undefined
        }
        await preflight.ready(opened)
      }
      return tryEach(opened, [credential], options.tries, options)
    },
    /** Takes over the refresh token that came with the active credential. */
    async adopt(name: string): Promise<void> {
      const opened = await open(read(name))
      if (presentsRefreshToken(opened.integration)) await preflight.adopt(opened)
    },
    /** Finds out what came of a refresh token whose presentation was never answered. */
    async settle(name: string): Promise<'settled' | 'unknown'> {
      const opened = await open(read(name))
      return preflight.settle(opened, introspectWith(opened, candidatesFor(opened)))
    },
  }
}

/** Integrations whose credential is remembered; past this all are tried in order once more. */
const REMEMBERED = 100_000

/** The caller that waits gets the failure. */
const later = () => undefined

const staysInside = () =>
  new BrokerError(
    'caller_forbidden',
    'The token of this integration stays inside the broker: it is of the same user as that of the integration whose credential it signs with',
  )

/** Of those that nothing can be tried with. */
const missingOf = ({ integration, owner }: Opened): readonly MissingPart[] => {
  const active = owner.credentials.find(({ state }) => state === 'active')
  return [active && clientIdOf(integration, active) === undefined ? 'client id' : 'credential']
}
