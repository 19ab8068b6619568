/** Takes credentials whose secret is in a vault: reads it, and leaves it there. */
import type { Signers } from '../signers/signers.ts'
import { asCredential } from '../signers/signing-problem.ts'
import type { CertificateInfo, Credential, CredentialSecret } from './credential.ts'
import type { CredentialInput } from './credential-input.ts'
import type { FreshCredential } from './fresh-credential.ts'
import { type Outside, type Sources, staysOutside } from './outside.ts'
import { isInside, type OutsideSecrets, outsideIn, type Reading } from './outside-secrets.ts'

/** A secret of a vault, read again. */
interface Reread {
  /** Absent: it did not change. */
  readonly fresh?: FreshCredential
  /** How long the vault says that it may be used, in milliseconds. Absent: it says nothing. */
  readonly lifeMs?: number
}

interface Fetched {
  /** With the texts that the vaults have now. */
  readonly input: CredentialInput
  /** Of the credential that was made of it: what is stored. */
  readonly leave: (fresh: FreshCredential) => FreshCredential
}

interface OutsideIntakeDependencies {
  readonly signers: Pick<Signers, 'referenceFor'>
  readonly outside: OutsideSecrets
  readonly fresh: (secret: CredentialSecret, certificate: CertificateInfo | null) => FreshCredential
}

export function createOutsideIntake({ signers, outside, fresh }: OutsideIntakeDependencies) {
  const sourcesFor = (asked: NonNullable<CredentialInput['asked']>, integration: string): Sources =>
    Object.fromEntries(
      Object.entries(asked).map(([member, one]) => [
        member,
        signers.referenceFor(one, integration),
      ]),
    )

  const left = (
    { credential, secret, remarks }: FreshCredential,
    of: Pick<Outside, 'sources' | 'alias'>,
    reading: Reading,
  ): FreshCredential => {
    if (!isInside(secret)) return { credential, secret, remarks }
    const kept = outside.stored(secret, credential.certificate, of, reading)
    return { credential: { ...credential, ...outsideIn(kept) }, secret: kept, remarks }
  }

  return {
    /** Throws `credential_invalid`, `signer_unavailable`. */
    async fetched({ asked = {}, ...given }: CredentialInput, name: string): Promise<Fetched> {
      const sources = sourcesFor(asked, name)
      const reading = await asCredential(() => outside.read(sources), 'vault')
      const of = { sources, ...aliasIn(given) }
      return {
        input: { ...given, ...reading.texts },
        leave: (made) => (staysOutside(sources) ? left(made, of, reading) : made),
      }
    },
    /** Where a request says that its secret is. Undefined: the secret is in the request. Throws `credential_invalid`. */
    sourcesOf({ asked }: CredentialInput, integration: string): Sources | undefined {
      const sources = asked && sourcesFor(asked, integration)
      return sources && staysOutside(sources) ? sources : undefined
    },
    /** Reads the secret of a credential again. Throws `credential_invalid`, `signer_unavailable`, `signing_refused`. */
    async reread(
      { type, clientId, certificate }: Credential,
      { sources, digest, alias }: Outside,
    ): Promise<Reread> {
      const reading = await outside.read(sources)
      const life = reading.lifeMs === undefined ? {} : { lifeMs: reading.lifeMs }
      if (outside.isOf(digest, reading)) return life
      const isCertified = sources.keystore !== undefined || sources.certificate !== undefined
      const own = isCertified || certificate === null ? {} : { certificate: certificate.pem }
      const of = { sources, ...aliasIn({ alias }) }
      const made = await outside.insideOf(type, reading, { ...own, ...of })
      if (made.digest === digest) {
        outside.keep(digest, made.secret, reading)
        return life
      }
      const found = left(fresh(made.secret, made.certificate), of, reading)
      return { ...life, fresh: { ...found, credential: { ...found.credential, clientId } } }
    },
  }
}

const aliasIn = ({ alias }: { readonly alias?: string | undefined }) =>
  alias === undefined ? {} : { alias }
