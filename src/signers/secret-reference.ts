/** A secret that stays in a vault: where it is, and what is read of it. */
import type { Secret } from '../crypto/secret.ts'

export interface SecretReference {
  /** Name of the vault in the file of `VALETKEY_SIGNERS`. */
  readonly name: string
  /** As policies have it: with `/data/` behind the mount for KV version 2. */
  readonly path: string
  readonly field: string
  /** Of KV version 2. Absent: the newest, which is followed. */
  readonly version?: number
}

/** As a request has it. Without a name, there is one vault only. */
export type AskedReference = Omit<SecretReference, 'name'> & Partial<Pick<SecretReference, 'name'>>

/** How the breaker of signers names a secret. No key has a space in front. A version that is gone says nothing about the newest one. */
export const restOf = ({ name, path, version }: Omit<SecretReference, 'field'>) => ({
  name,
  key: version === undefined ? `secret ${path}` : `secret ${path} v${version}`,
})

/** What is at a path. */
export interface SecretContent {
  readonly fields: ReadonlyMap<string, Secret>
  /** Of KV version 2. */
  readonly version?: number
  /** How long Vault says that it may be used, in milliseconds. Absent: it says nothing. */
  readonly lifeMs?: number
}
