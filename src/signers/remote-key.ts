/** A key that stays with its signer. The broker has only its public half. */

import type { SecretContent } from './secret-reference.ts'

/** RS256: RSASSA-PKCS1-v1_5 with SHA-256. ES256: ECDSA on the curve P-256 with SHA-256; a signature is the two numbers, with 32 bytes each (RFC 7518, section 3.4). */
export type SigningAlgorithm = 'RS256' | 'ES256'

/** How a request names a key. */
export interface KeyReference {
  /** Name of the signer, as the file of `VALETKEY_SIGNERS` has it. */
  readonly name: string
  /** Its name or id at the signer. */
  readonly key: string
  /** Absent: the signer has no versions, or chooses one. */
  readonly keyVersion?: number
}

/** A key, and what it signs with. */
export interface NamedKey extends KeyReference {
  /** Default: RS256. */
  readonly algorithm?: SigningAlgorithm
}

export interface RemoteKey extends NamedKey {
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
  /** Signs the bytes by the algorithm of the key. Need not verify the result. */
  sign(key: NamedKey, data: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  /** The public keys of a key for this algorithm, from the oldest version to the newest. At least one. */
  publicKeys(
    key: string,
    algorithm: SigningAlgorithm,
    signal: AbortSignal,
  ): Promise<readonly PublicKey[]>
  /** Makes a new version, which becomes the newest. Absent: the signer has no versions. */
  rotate?(key: string, signal: AbortSignal): Promise<void>
  /** Reads a secret. `version`: of KV version 2; absent: the newest. Absent: it keeps no secrets that can be read. */
  read?(path: string, version: number | undefined, signal: AbortSignal): Promise<SecretContent>
  /** Keeps a login valid until `stop`. */
  start?(): void
  stop?(): Promise<void>
}

export const algorithmOf = ({ algorithm = 'RS256' }: NamedKey): SigningAlgorithm => algorithm

/** As problems and the log name it. */
export const idOfKey = ({ key, keyVersion }: KeyReference): string =>
  keyVersion === undefined ? key : `${key} v${keyVersion}`
