/** A key that stays with its signer. The broker has only its public half. */

import type { SecretContent } from './secret-reference.ts'

/** How a request names a key. */
export interface KeyReference {
  /** Name of the signer, as the file of `VALETKEY_SIGNERS` has it. */
  readonly name: string
  /** Its name or id at the signer. */
  readonly key: string
  /** Absent: the signer has no versions, or chooses one. */
  readonly keyVersion?: number
}

export interface RemoteKey extends KeyReference {
  /** SubjectPublicKeyInfo in PEM. Each signature is verified with it. */
  readonly publicKey: string
}

/** A public key of a signer. */
export interface PublicKey {
  /** Absent: the signer has no versions. */
  readonly version?: number
  /** SubjectPublicKeyInfo in PEM. */
  readonly pem: string
}

/** A service or a module that signs. Each method throws `signer_unavailable` or `signing_refused`. */
export interface SigningBackend {
  /** RSASSA-PKCS1-v1_5 with SHA-256 over the bytes. Need not verify the result. */
  sign(key: KeyReference, data: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  /** The RSA public keys of a key, from the oldest version to the newest. At least one. */
  publicKeys(key: string, signal: AbortSignal): Promise<readonly PublicKey[]>
  /** Makes a new version, which becomes the newest. Absent: the signer has no versions. */
  rotate?(key: string, signal: AbortSignal): Promise<void>
  /** Reads a secret. `version`: of KV version 2; absent: the newest. Absent: it keeps no secrets that can be read. */
  read?(path: string, version: number | undefined, signal: AbortSignal): Promise<SecretContent>
  /** Keeps a login valid until `stop`. */
  start?(): void
  stop?(): Promise<void>
}
