/** What is stored of a secret that stays in a vault: where it is, and a digest of what was read. */
import type { SecretReference } from '../signers/secret-reference.ts'

/** The members of a credential that may be in a vault. */
export const OUTSIDE_MEMBERS = [
  'clientSecret',
  'privateKey',
  'certificate',
  'keystore',
  'passphrase',
] as const

export type OutsideMember = (typeof OUTSIDE_MEMBERS)[number]

export type Sources = Partial<Readonly<Record<OutsideMember, SecretReference>>>
/** Of KV version 2: what was read. */
export type Versions = Partial<Readonly<Record<OutsideMember, number>>>

export interface Outside {
  readonly sources: Sources
  readonly versions: Versions
  /** Of the secret. */
  readonly digest: string
  /** Of the key in a keystore. */
  readonly alias?: string
}

/** Whether the secret stays in the vault. Otherwise the vault only opens or certifies a key that the request has. */
export const staysOutside = ({ clientSecret, privateKey, keystore }: Sources): boolean =>
  clientSecret !== undefined || privateKey !== undefined || keystore !== undefined

/** The same for sources in any order. */
export const textOfSources = (sources: Sources): string =>
  JSON.stringify(
    OUTSIDE_MEMBERS.map((member) => {
      const { name, path, field, version = null } = sources[member] ?? {}
      return sources[member] ? [name, path, field, version] : null
    }),
  )
