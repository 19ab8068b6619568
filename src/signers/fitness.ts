/** Which keys fit an algorithm, in the words of problems and their remedies. */
import type { SigningAlgorithm } from './remote-key.ts'

interface Fitness {
  /** As in `it is no …`. */
  readonly what: string
  /** What has the key. */
  readonly owner: string
  /** How it signs, and what to do about a key of the same name that does not. */
  readonly by: string
  /** Why no other key will do. */
  readonly why: string
  /** What to do about a key that is gone for ever. */
  readonly instead: string
  /** What to do about a version that is gone for ever. */
  readonly newer: string
  /** By the type of Transit. */
  readonly transit: string
  /** By the spec of KMS. */
  readonly kms: string
}

export const FITNESS: Readonly<Record<SigningAlgorithm, Fitness>> = {
  RS256: {
    what: 'RSA key for signatures',
    owner: 'the credential',
    by: 'RSA PKCS#1 v1.5. Stage a credential with the right key.',
    why: 'Salesforce accepts only RSA.',
    instead: 'generate a new one and upload its certificate.',
    newer: 'stage a credential with a newer version and upload its certificate.',
    transit: 'rsa-2048, rsa-3072 or rsa-4096',
    kms: 'RSA_2048, RSA_3072 or RSA_4096',
  },
  ES256: {
    what: 'P-256 key for signatures',
    owner: 'the integration',
    by: 'P-256. Name the right key in dpop.key_storage.',
    why: 'DPoP proofs are signed with P-256.',
    instead: 'make a new one and name it in dpop.key_storage.',
    newer: 'name a newer version in dpop.key_storage.',
    transit: 'ecdsa-p256',
    kms: 'ECC_NIST_P256',
  },
}
