/** The `credential` member of a request, and which of its members go together. */
import type { KeyBits } from '../crypto/key-pair.ts'
import type { CertificateSubject } from '../crypto/subject.ts'
import { BrokerError } from '../errors/errors.ts'
import type { KeyReference } from '../signers/remote-key.ts'
import type { KeyMaterialInput } from './key-material.ts'

/** The `credential` member of a request, unchecked. */
export interface CredentialInput extends KeyMaterialInput {
  readonly clientSecret?: string
  /** Alone, or with the client authentication. */
  readonly refreshToken?: string
  /** The key stays with a signer. */
  readonly signer?: KeyReference
  readonly generate?: {
    readonly keyBits?: KeyBits
    /** 1 to 825. */
    readonly days?: number
    readonly commonName?: string
    /** Beside `signer`: of a new version of the key. */
    readonly newVersion?: boolean
  }
  /** Subject of the certificate request for a generated key that a CA will certify. */
  readonly csr?: CertificateSubject & { readonly keyBits?: KeyBits }
  readonly from?: string
}

/** The forms of the `credential` member. */
const KINDS = [
  'private_key',
  'keystore',
  'signer',
  'client_secret',
  'refresh_token',
  'generate',
  'from',
]

/** Requires exactly one kind of credential, and a key for each certificate. */
export function checkShape(
  input: CredentialInput,
  place = 'body/credential',
  kinds: readonly string[] = KINDS,
): void {
  const { privateKey, keystore, signer, clientSecret, from } = input
  const [made, ...others] = [input.generate, input.csr].filter((member) => member !== undefined)
  // A key at a signer can be certified here.
  const given = [privateKey, keystore, signer ?? made, clientSecret, ...others, from]
  const count = given.filter((member) => member !== undefined).length
  const isAccompanied = hasKey(input) || clientSecret !== undefined
  if (input.refreshToken !== undefined && count === 1 && !isAccompanied) {
    throw new BrokerError(
      'request_invalid',
      `${place}/refresh_token goes beside client_secret, private_key, keystore or signer, or alone`,
    )
  }
  if (count > 1 || (count === 0 && input.refreshToken === undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place} must have exactly one of ${kinds.join(', ')}`,
    )
  }
  if (input.certificate !== undefined && (!hasKey(input) || made !== undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place}/certificate needs private_key, keystore or signer beside it, and no generate or csr`,
    )
  }
  checkMade(input, place)
  if (input.passphrase !== undefined && (!hasKey(input) || signer !== undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place}/passphrase needs private_key or keystore beside it`,
    )
  }
  if (input.alias !== undefined && keystore === undefined) {
    throw new BrokerError('request_invalid', `${place}/alias needs keystore beside it`)
  }
}

/** Only a signer has versions. */
function checkMade({ signer, generate }: CredentialInput, place: string): void {
  if (generate?.newVersion !== true) return
  if (signer && signer.keyVersion === undefined) return
  throw new BrokerError(
    'request_invalid',
    `${place}/generate/new_version needs signer beside it, without key_version`,
  )
}

/** Whether the input has a private key in any form, or says where it is. */
export const hasKey = ({ privateKey, keystore, signer }: CredentialInput): boolean =>
  privateKey !== undefined || keystore !== undefined || signer !== undefined
