/** One mint: opens the credentials and sends a token request with each until Salesforce accepts one. */
import type { Credential } from '../../credentials/credential.ts'
import type { Introspect } from '../../custody/unknown-outcome-resolver.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { UnsavedPin } from '../../identity/identity-guard.ts'
import { isOfSubject } from '../../identity/subject.ts'
import type { CredentialWriter } from '../../integrations/credential-writer.ts'
import {
  clientIdOf,
  digestOf,
  draftError,
  type Integration,
  type MissingPart,
  needsCredential,
  presentsRefreshToken,
} from '../../integrations/integration.ts'
import { unnamed } from '../../integrations/references/visible.ts'
import type { Emitter } from '../../runtime/events.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { NO_CREDENTIAL, type RefreshTokenPreflight } from '../refresh/preflight.ts'
import type { Lease } from '../serve/lease.ts'
import type { RequestOptions, Signer, TokenRequester } from '../serve/token-request.ts'
import type { TokenEvents } from '../token-events.ts'
import { candidatesOf, isSignatureRefusal } from './candidates.ts'
import { refusedWith } from './credential-refusal.ts'
import {
  createCredentialReader,
  type Identities,
  isUnreadable,
  type MintRecords,
  type OpenedIntegration,
  type ReadableIntegrations,
  signerOf,
  staysInside,
} from './opened-integration.ts'
import { RETRIES, triesOf, tryAgain } from './retry.ts'

export interface MintOptions {
  /** Called before each request, because each is a login. Throws `login_budget_exhausted`. */
  readonly charge: () => Promise<void>
  /** No try begins after this time of the monotonic clock. */
  readonly deadlineAt: number
  /** Whether former mints worked. Then more tries are useful during propagation. */
  readonly hasWorked: () => Promise<boolean>
  /** Aborts a token request when nobody waits. Does not abort one with a refresh token. */
  readonly signal?: AbortSignal
  /** Gets the pin of the token if the save of its lease is to write it. Absent: the pin is written before the lease is returned. */
  readonly saveLater?: (pin: UnsavedPin) => void
  /** Of {@link RequestOptions}. */
  readonly learnFirst?: RequestOptions['learnFirst']
}

export interface SigningClient {
  readonly integration: Integration
  readonly signer: Signer
}

interface TryOptions extends Omit<MintOptions, 'hasWorked'> {
  /** Ids of credentials that cannot be tried, because their vaults refuse the secret. They count as refused. Default: none. */
  readonly unreadable?: readonly string[]
}

interface ProofOptions extends Omit<MintOptions, 'hasWorked'> {
  /** Most requests. More than one only helps during propagation. */
  readonly tries: number
}

export type Minter = ReturnType<typeof createMinter>

interface MinterDependencies {
  readonly integrations: ReadableIntegrations & {
    /** Throws `integration_frozen`. */
    requireThawed(integration: Integration): Promise<void>
  }
  readonly requester: TokenRequester
  /** Used by grants that present a refresh token. */
  readonly preflight: RefreshTokenPreflight
  readonly credentials: Pick<CredentialWriter, 'promote' | 'follow'>
  readonly events: Pick<Emitter<TokenEvents>, 'emit'>
  readonly identity: Identities
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'sleep'>
}

export function createMinter(dependencies: MinterDependencies) {
  const { integrations, requester, preflight, credentials, events, identity, runtime } =
    dependencies
  const { read, open } = createCredentialReader({ integrations, identity })
  /** Last credential that Salesforce accepted, by uid of an owner that has several. With it, a usual mint needs one request. A change of the owner removes it, so that a new active credential comes first. */
  const workedLast = new Map<string, { readonly version: number; readonly id: string }>()

  /** The client that asks for the lifetime of a token, until that is known. */
  const signers = new WeakMap<Lease, SigningClient>()

  const hintFor = ({ uid, version }: Integration): string | undefined => {
    const hint = workedLast.get(uid)
    return hint?.version === version ? hint.id : undefined
  }

  const accepted = async (
    { owner }: OpenedIntegration,
    credential: Credential,
    refused: ReadonlySet<string>,
  ): Promise<void> => {
    if (owner.credentials.length > 1) {
      if (workedLast.size > REMEMBERED) workedLast.clear()
      workedLast.set(owner.uid, { version: owner.version, id: credential.id })
    }
    const active = owner.credentials.find(({ state }) => state === 'active')
    const isProof = active !== undefined && refused.has(active.id)
    if (credential.state === 'staged' && isProof) await credentials.promote(owner, credential.id)
  }

  /** Tries the credentials in turn, in rounds. Any refusal that is not about the signature ends it. */
  const tryEach = async (
    opened: OpenedIntegration,
    candidates: readonly Credential[],
    tries: number,
    { charge, unreadable = [], deadlineAt, signal, learnFirst, saveLater }: TryOptions,
  ): Promise<Lease> => {
    const { integration, owner } = opened
    const refused = new Set(unreadable)
    const attempt = async (credential: Credential): Promise<Lease> => {
      // A failure of the source must not cost a login.
      await requester.ready(integration)
      try {
        const signer = signerOf(opened, credential)
        const lease = await requester.request(integration, signer, charge, { signal, learnFirst })
        if (lease.learnBy !== undefined) signers.set(lease, { integration, signer })
        // The pin of a token that promotes its credential is written before the promotion.
        const later = credential.state === 'staged' ? undefined : saveLater
        await identity.check(integration, lease, opened.known, later)
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

  /** Another app may act as the same user and get the same token. Only the new token shows the user. */
  const checkNotInside = async (
    { integration, owner }: OpenedIntegration,
    lease: Lease,
  ): Promise<void> => {
    if (owner.serveTokens || !integration.serveTokens || owner.uid === integration.uid) return
    const subject = await unnamed(identity.subjectOf(owner))
    if (subject && isOfSubject(lease, subject)) throw staysInside()
  }

  const candidatesFor = (opened: OpenedIntegration): readonly Credential[] => {
    const { integration, owner } = opened
    const found = candidatesOf(integration, owner.credentials, hintFor(owner))
    const usual = found.length === 0 && !needsCredential(integration) ? [NO_CREDENTIAL] : found
    const candidates = presentsRefreshToken(integration)
      ? preflight.candidates(opened, found)
      : usual
    if (candidates.length === 0) throw draftError(missingOf(opened))
    const readable = candidates.filter((one) => !isUnreadable(opened.secrets, one))
    return readable.length > 0 ? readable : candidates
  }

  /** Introspects with one credential after another until Salesforce accepts one. */
  const introspectWith =
    (opened: OpenedIntegration, candidates: readonly Credential[]): Introspect =>
    async (refreshToken, signal, dpopKey) => {
      let last: unknown
      for (const credential of candidates) {
        const signer = { ...signerOf(opened, credential), ...(dpopKey && { dpopKey }) }
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

  /** The client that another replica minted the lease with. */
  const signerFor = async ({ integration: name, uid, digest }: Lease) => {
    const opened = await open(read(name))
    const { integration } = opened
    const candidate = candidatesFor(opened).find(
      (one) => digestOf(integration, clientIdOf(integration, one) ?? '') === digest,
    )
    if (integration.uid !== uid || !candidate) {
      throw new BrokerError('conflict', 'The integration was changed since the token was minted')
    }
    return { integration, signer: signerOf(opened, candidate) }
  }

  return {
    /** Throws `integration_frozen`. */
    requireThawed: integrations.requireThawed,
    /** Reads the input of a mint. Throws `store_unavailable` if it is not in memory either, and `integration_not_found`. */
    read: ({ name, uid }: Pick<Integration, 'name' | 'uid'>): Promise<MintRecords> =>
      read(name, uid),
    /** Mints a token for the current integration, or for the recent state in `records`. Throws what the grant throws, and `integration_draft`, `integration_disabled`, `integration_frozen`, `record_corrupt`, `identity_changed`. */
    async mint(
      name: string,
      options: MintOptions,
      records: Promise<MintRecords> = read(name),
    ): Promise<Lease> {
      const opened = await open(records)
      const { integration } = opened
      await integrations.requireThawed(integration)
      const candidates = candidatesFor(opened)
      if (presentsRefreshToken(integration)) await preflight.ready(opened)
      const lease = await tryEach(
        opened,
        candidates,
        triesOf(candidates, await options.hasWorked()),
        { ...options, unreadable: unreadableIn(opened) },
      )
      if (!opened.digests.includes(lease.digest)) await credentials.follow(integration.name)
      return lease
    },
    /** The current integration with the client that a mint would try first. Throws what a mint throws before its request. */
    async client(name: string): Promise<SigningClient> {
      const opened = await open(read(name))
      const { integration } = opened
      await integrations.requireThawed(integration)
      const [first = NO_CREDENTIAL] = candidatesFor(opened)
      await requester.ready(integration)
      return { integration, signer: signerOf(opened, first) }
    },
    /** Mints with this credential only, in any state. Undefined: the credential has its own refresh token, which a mint would use up too early; introspection showed that it is live. */
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
      await integrations.requireThawed(opened.integration)
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
    /** Learns the life of the token of a lease that says `learnBy`. Undefined: the token is dead. Throws `conflict` where no credential is left that it may be asked with, and what reading the integration throws. */
    async learn(lease: Lease, signal: AbortSignal): Promise<Lease | undefined> {
      const { integration, signer } = signers.get(lease) ?? (await signerFor(lease))
      signers.delete(lease)
      return requester.learn(integration, signer, lease, signal)
    },
    /** Adopts the refresh token of the active credential. */
    async adopt(name: string): Promise<void> {
      const opened = await open(read(name))
      if (presentsRefreshToken(opened.integration)) await preflight.adopt(opened)
    },
    /** Finds out the result of a presentation whose answer was lost. */
    async settle(name: string): Promise<'settled' | 'unknown'> {
      const opened = await open(read(name))
      return preflight.settle(opened, introspectWith(opened, candidatesFor(opened)))
    },
  }
}

const unreadableIn = ({ owner, secrets }: OpenedIntegration): readonly string[] =>
  owner.credentials.filter((one) => isUnreadable(secrets, one)).map(({ id }) => id)

/** Number of integrations whose last credential is remembered. The others try all credentials in order. */
const REMEMBERED = 100_000

/** The missing parts, if nothing can be tried. */
const missingOf = ({ integration, owner }: OpenedIntegration): readonly MissingPart[] => {
  const active = owner.credentials.find(({ state }) => state === 'active')
  return [active && clientIdOf(integration, active) === undefined ? 'client id' : 'credential']
}
