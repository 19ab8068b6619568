/** Credentials whose secret stays in a vault: it is read when it is needed, kept in memory, and never stored. */
import { createHash } from 'node:crypto'
import { BrokerError } from '../errors/errors.ts'
import type { SecretContent, SecretReference } from '../signers/secret-reference.ts'
import type { Signers } from '../signers/signers.ts'
import { isOfSigner, signingRefused } from '../signers/signing-problem.ts'
import type {
  CertificateInfo,
  Credential,
  CredentialSecret,
  CredentialSecrets,
} from './credential.ts'
import type { CredentialInput } from './credential-input.ts'
import { checkClientSecret } from './credential-text.ts'
import { readKeyMaterial } from './key-material.ts'
import type { Outside, OutsideMember, Sources, Versions } from './outside.ts'

type OfOutside = Extract<CredentialSecret, { readonly outside: Outside }>
/** What the broker would store if the secret were not in a vault. */
type Inside = Exclude<CredentialSecret, OfOutside | { readonly remote: unknown }>
type Texts = Partial<Record<OutsideMember, string>>

/** What is in a vault now. */
export interface Reading {
  readonly texts: Texts
  readonly versions: Versions
  /** How long the vault says that all of it may be used, in milliseconds. Absent: it says nothing. */
  readonly lifeMs?: number
}

interface Held {
  readonly secret: Inside
  /** Digest of the texts that it was made of. */
  readonly textsDigest: string
  usedAt: number
}

/** A secret that was read, and the digest by which a change is told. */
interface Made {
  readonly secret: Inside
  /** Of a key. Null: it has none. */
  readonly certificate: CertificateInfo | null
  readonly digest: string
}

export type OutsideSecrets = ReturnType<typeof createOutsideSecrets>

/** After a refusal, the vault is not asked for this secret for so long. */
const REFUSED_MS = 5_000
/** A value that nobody asked for so long is forgotten. */
const KEPT_MS = 600_000

export function createOutsideSecrets({
  vaults,
  monotonic,
  now,
}: {
  readonly vaults: Pick<Signers, 'contentAt'>
  readonly monotonic: () => number
  readonly now: () => number
}) {
  /** By digest. */
  const held = new Map<string, Held>()
  const underWay = new Map<string, Promise<Inside>>()
  const refused = new Map<string, { readonly error: BrokerError; readonly until: number }>()

  const keep = (digest: string, secret: Inside, { texts }: Pick<Reading, 'texts'>): Inside => {
    held.set(digest, { secret, textsDigest: digestOfTexts(texts), usedAt: monotonic() })
    return secret
  }

  /** Reads each path once. Throws `signer_unavailable`, `signing_refused`. */
  const read = async (sources: Sources, pinned: Versions = {}): Promise<Reading> => {
    const contents = new Map<string, SecretContent>()
    const contentOf = async ({ name, path, version }: Omit<SecretReference, 'field'>) => {
      const id = `${name} ${path} ${version ?? ''}`
      const asked = { name, path, ...(version !== undefined && { version }) }
      const content = contents.get(id) ?? (await vaults.contentAt(asked))
      contents.set(id, content)
      return content
    }
    const texts: Texts = {}
    const versions: Partial<Record<OutsideMember, number>> = {}
    for (const [member, source] of Object.entries(sources) as [OutsideMember, SecretReference][]) {
      const { name, path, field, version = pinned[member] } = source
      const content = await contentOf({ name, path, ...(version !== undefined && { version }) })
      const secret = content.fields.get(field)
      if (!secret) {
        throw signingRefused(name, `has no text in the field ${field} of ${path}`, {
          remedy: 'Write the field, or name another one. Its value is a text that is not empty.',
        })
      }
      texts[member] = tidied(member, secret.reveal())
      if (content.version !== undefined) versions[member] = content.version
    }
    const lives = [...contents.values()].flatMap(({ lifeMs }) => lifeMs ?? [])
    return { texts, versions, ...(lives.length > 0 && { lifeMs: Math.min(...lives) }) }
  }

  /** Throws `credential_invalid` if it is no secret of this type. */
  const insideOf = async (
    type: CredentialSecret['type'],
    { texts }: Pick<Reading, 'texts'>,
    { alias, certificate }: Pick<CredentialInput, 'alias' | 'certificate'>,
  ): Promise<Made> => {
    if (type !== 'certificate') {
      const { clientSecret = '' } = texts
      checkClientSecret(clientSecret)
      const secret = { type, clientSecret } as Inside
      return { secret, certificate: null, digest: digestOf(secret, null) }
    }
    const given = { ...(certificate !== undefined && { certificate }), ...texts }
    const { key, certificate: info } = await readKeyMaterial(
      { ...given, ...(alias !== undefined && { alias }) },
      { now: now(), expiredIsWarning: true },
    )
    const secret = { type, privateKey: key.pem.reveal() } as Inside
    return { secret, certificate: info, digest: digestOf(secret, isCertified(texts) ? info : null) }
  }

  /** What was in use, or `signing_refused` if the vault has it no more. */
  const readAgain = async ({ type, outside }: OfOutside): Promise<Inside> => {
    const { sources, versions, digest, alias } = outside
    const sameIn = async (reading: Reading) => {
      const made = await insideOf(type, reading, { ...(alias !== undefined && { alias }) })
      return made.digest === digest ? keep(digest, made.secret, reading) : undefined
    }
    const isPinned = Object.keys(versions).length > 0
    const pinned = isPinned ? await read(sources, versions).catch(unlessAway) : undefined
    const same = (pinned && (await sameIn(pinned))) ?? (await sameIn(await read(sources)))
    if (same) return same
    const [{ name, path } = NOWHERE] = Object.values(sources)
    throw signingRefused(name, `has another secret at ${path} than the one that was in use`, {
      remedy: `Nothing is to be done if the new one works at Salesforce: it is staged, and tried. Otherwise write the former secret to ${path} again.`,
    })
  }

  const asked = async (of: OfOutside): Promise<Inside> => {
    const { digest } = of.outside
    try {
      const secret = await readAgain(of)
      refused.delete(digest)
      return secret
    } catch (error) {
      if (error instanceof BrokerError && error.code !== 'signer_unavailable') {
        refused.set(digest, { error, until: monotonic() + REFUSED_MS })
      }
      throw error
    }
  }

  /** The secret, from memory or from its vault. Throws `signer_unavailable`, `signing_refused`, `credential_invalid`. */
  const inMemory = async (of: OfOutside): Promise<Inside> => {
    const { digest } = of.outside
    const found = held.get(digest)
    if (found) {
      found.usedAt = monotonic()
      return found.secret
    }
    const resting = refused.get(digest)
    if (resting && resting.until > monotonic()) throw resting.error
    const running = underWay.get(digest) ?? asked(of).finally(() => underWay.delete(digest))
    underWay.set(digest, running)
    return running
  }

  const filled = async (of: CredentialSecret): Promise<CredentialSecret> => {
    if (!('outside' in of)) return of
    try {
      const value = await inMemory(of)
      const refreshToken = 'refreshToken' in of ? of.refreshToken : undefined
      const token = refreshToken === undefined ? {} : { refreshToken }
      // Integrations of two grants may have the same secret.
      return { ...value, ...token, type: of.type } as CredentialSecret
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      return { ...of, problem: error }
    }
  }

  return {
    read,
    insideOf,
    /** Remembers a value that was read, and gives what is stored of it. */
    stored(
      inside: Inside,
      certificate: CertificateInfo | null,
      { sources, alias }: Pick<Outside, 'sources' | 'alias'>,
      { texts, versions }: Reading,
    ): OfOutside {
      const { refreshToken, ...rest } = { refreshToken: undefined, ...inside }
      const secret = rest as Inside
      const digest = digestOf(secret, isCertified(sources) ? certificate : null)
      keep(digest, secret, { texts })
      const outside = { sources, versions, digest, ...(alias !== undefined && { alias }) }
      const token = refreshToken === undefined ? {} : { refreshToken }
      return { type: inside.type, outside, ...token } as OfOutside
    },
    /** The same secrets with those of vaults, for use and never for a write. One that cannot be read has its problem. */
    async filled(secrets: CredentialSecrets): Promise<CredentialSecrets> {
      const entries = Object.entries(secrets.byId)
      if (!entries.some(([, one]) => 'outside' in one)) return secrets
      const of = await Promise.all(
        entries.map(async ([id, one]) => [id, await filled(one)] as const),
      )
      return { ...secrets, byId: Object.fromEntries(of) }
    },
    /** Whether the secret in memory was made of these texts, so that it need not be made again. */
    isOf: (digest: string, { texts }: Reading): boolean =>
      held.get(digest)?.textsDigest === digestOfTexts(texts),
    /** Keeps a value that was read again, so that it outlives its vault. */
    keep,
    /** Forgets what is neither in use nor was asked for lately. */
    forgetOthers(inUse: ReadonlySet<string>): void {
      for (const [digest, { usedAt }] of held) {
        if (!inUse.has(digest) && monotonic() - usedAt > KEPT_MS) held.delete(digest)
      }
      for (const [digest, { until }] of refused) if (until <= monotonic()) refused.delete(digest)
    },
  }
}

export const isInside = (secret: CredentialSecret): secret is Inside =>
  !('outside' in secret) && !('remote' in secret)

const NOWHERE: Pick<SecretReference, 'name' | 'path'> = { name: 'vault', path: 'its path' }

/** A file that became a field ends with a line break. Base64 may have more of them. */
const tidied = (member: OutsideMember, text: string): string =>
  member === 'keystore' ? text.replace(/\s+/g, '') : text.replace(/[\r\n]+$/, '')

/** Whether the certificate is in the vault, too. */
const isCertified = ({ certificate, keystore }: Sources | Texts): boolean =>
  certificate !== undefined || keystore !== undefined

/** Digest of a secret with its certificate, if that is from the vault. It is stored sealed, because a weak secret could be guessed from it. */
const digestOf = (
  secret: Inside,
  certificate: Pick<CertificateInfo, 'fingerprintSha256'> | null,
): string => {
  const text = secret.type === 'certificate' ? secret.privateKey : (secret.clientSecret ?? '')
  const parts = [secret.type === 'certificate', text, certificate?.fingerprintSha256 ?? null]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

const digestOfTexts = (texts: Texts): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(texts).sort()))
    .digest('base64url')

/** A version that is gone may be the same as the newest one. */
function unlessAway(error: unknown): undefined {
  const isGone = error instanceof BrokerError && error.code === 'signing_refused'
  if (!isGone || !isOfSigner(error)) throw error
}

/** The public part: where the secret is, and which version is in use. */
export const outsideIn = (secret: CredentialSecret): Pick<Credential, 'outside'> =>
  'outside' in secret
    ? { outside: { sources: secret.outside.sources, versions: secret.outside.versions } }
    : {}
