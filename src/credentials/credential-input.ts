/** The `credential` member of a request, and which of its members go together. */
import type { KeyBits } from '../crypto/key-pair.ts'
import type { CertificateSubject } from '../crypto/subject.ts'
import { BrokerError } from '../errors/errors.ts'
import type { KeyReference } from '../signers/remote-key.ts'
import type { AskedReference } from '../signers/secret-reference.ts'
import type { KeyMaterialInput } from './key-material.ts'
import { OUTSIDE_MEMBERS, type OutsideMember } from './outside.ts'

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
  /** Members that are in a vault. None of them is also given itself. */
  readonly asked?: Partial<Readonly<Record<OutsideMember, AskedReference>>>
}

/** As a request has it: a member that may be in a vault is its text, or says where it is. */
export type GivenCredential = Omit<CredentialInput, OutsideMember | 'asked'> &
  Partial<Readonly<Record<OutsideMember, string | { readonly vault: AskedReference }>>>

/** Separates what is in a vault from what the request has. */
export function credentialInputOf<Given extends GivenCredential>(
  given: Given,
): Omit<Given, OutsideMember> & Pick<CredentialInput, OutsideMember | 'asked'> {
  const asked = OUTSIDE_MEMBERS.flatMap((member) => {
    const value = given[member]
    return typeof value === 'object' ? [[member, value.vault] as const] : []
  })
  if (asked.length === 0) return given as Given & Partial<Record<OutsideMember, string>>
  const names = new Set<string>(asked.map(([member]) => member))
  const rest = Object.entries(given).filter(([member]) => !names.has(member))
  // Whatever is left of the members that may be in a vault is a text.
  const texts = Object.fromEntries(rest) as Omit<Given, OutsideMember>
  return { ...texts, asked: Object.fromEntries(asked) }
}

/** Whether the input has this member, or says in which vault it is. */
export const has = (input: CredentialInput, member: OutsideMember): boolean =>
  input[member] !== undefined || input.asked?.[member] !== undefined

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
  const { signer, from } = input
  const [made, ...others] = [input.generate, input.csr].filter((member) => member !== undefined)
  const kept = (['privateKey', 'keystore', 'clientSecret'] as const).filter((one) =>
    has(input, one),
  )
  // A key at a signer can be certified here.
  const given = [signer ?? made, ...others, from].filter((member) => member !== undefined)
  const count = kept.length + given.length
  const isAccompanied = hasKey(input) || has(input, 'clientSecret')
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
  if (has(input, 'certificate') && (!hasKey(input) || made !== undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place}/certificate needs private_key, keystore or signer beside it, and no generate or csr`,
    )
  }
  checkMade(input, place)
  checkOutside(input, place)
  if (has(input, 'passphrase') && (!hasKey(input) || signer !== undefined)) {
    throw new BrokerError(
      'request_invalid',
      `${place}/passphrase needs private_key or keystore beside it`,
    )
  }
  if (input.alias !== undefined && !has(input, 'keystore')) {
    throw new BrokerError('request_invalid', `${place}/alias needs keystore beside it`)
  }
}

/** What opens a key of a vault is needed at each read of it, and is not stored. */
function checkOutside({ passphrase, asked }: CredentialInput, place: string): void {
  if (passphrase === undefined || !(asked?.privateKey ?? asked?.keystore)) return
  throw new BrokerError(
    'request_invalid',
    `${place}/passphrase must be in a vault too, because the key is read from there again and again`,
  )
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
export const hasKey = (input: CredentialInput): boolean =>
  has(input, 'privateKey') || has(input, 'keystore') || input.signer !== undefined
