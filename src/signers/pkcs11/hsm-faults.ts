/** What the operator reads when a PKCS#11 module does not sign. */
import type { BrokerError } from '../../errors/errors.ts'
import { FITNESS } from '../fitness.ts'
import type { SigningAlgorithm } from '../remote-key.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'

/** The version that is tested. */
export const PACKAGE = 'pkcs11js@2.1.7'

/** Where a request to the module ended. `code` is the name of the return value (`CKR_…`) or of the signal, if it has one. */
export interface HsmTrouble {
  readonly fault: HsmFault
  readonly code?: string
}

/** What comes instead of a result. */
export interface HsmRefusal {
  readonly trouble: HsmTrouble
  /** The token refused the PIN of its file, which was in this state. */
  readonly refusedPin?: { readonly token: string; readonly state: string }
}

interface HsmPlace {
  /** Of the signer. */
  readonly name: string
  /** Path of the library. */
  readonly module: string
  /** Label of the token. */
  readonly token: string
  readonly pinFile: string
}

/** The key that was asked for. */
interface HsmKey {
  /** Its label. */
  readonly key: string
  readonly algorithm: SigningAlgorithm
}

interface FaultWords {
  readonly why: (place: HsmPlace, asked: HsmKey) => string
  readonly remedy: (place: HsmPlace, asked: HsmKey) => string
  /** Whether it may work later without an operator. Default: no. */
  readonly isAway?: boolean
}

/** By the names of PKCS#11. */
const HSM_KEYS: Readonly<
  Record<SigningAlgorithm, Readonly<Record<'key' | 'way' | 'mechanism', string>>>
> = {
  RS256: {
    key: 'an RSA key of 2048 bits or more',
    way: 'RSA PKCS#1 v1.5',
    mechanism: 'CKM_SHA256_RSA_PKCS or CKM_RSA_PKCS',
  },
  ES256: { key: 'a key of the curve P-256', way: 'ECDSA', mechanism: 'CKM_ECDSA' },
}

const FAULTS = {
  no_package: {
    why: () => 'needs the package pkcs11js, which is not installed or was not compiled',
    remedy: () =>
      `Install it beside Valetkey, where there is a compiler: npm install --no-save ${PACKAGE}. Or build the image with --build-arg PKCS11=with.`,
  },
  no_module: {
    why: ({ module }) => `cannot load its module ${module}`,
    remedy: () =>
      'Name the PKCS#11 library of the HSM in the file of VALETKEY_SIGNERS. This service must be able to read it and the libraries that it needs, for this system and processor.',
  },
  no_token: {
    why: ({ token }) => `has no token with the label ${token}`,
    remedy: ({ module }) =>
      `Connect the token, or name another label: pkcs11-tool --module ${module} --list-token-slots shows the labels.`,
  },
  many_tokens: {
    why: ({ token }) => `has several tokens with the label ${token}`,
    remedy: () => 'Give the token a label of its own.',
  },
  no_pin_file: {
    why: () => 'needs its pin_file, which cannot be read or is empty',
    remedy: ({ pinFile }) => `Let this service read ${pinFile}, with the PIN of the user in it.`,
  },
  pin_wrong: {
    why: ({ token }) => `does not accept the PIN for the token ${token}`,
    remedy: ({ pinFile }) =>
      `Put the PIN of the user into ${pinFile}. Until that file changes, it is not tried again, so that the token does not lock.`,
  },
  pin_locked: {
    why: ({ token }) => `has locked the PIN of the token ${token}`,
    remedy: () =>
      'Unlock the token with the PIN of its security officer. Before that, correct the pin_file.',
  },
  no_key: {
    why: ({ token }, { key }) => `has no private key with the label ${key} in the token ${token}`,
    remedy: ({ module }, { algorithm }) =>
      `Make the key, or name another label: pkcs11-tool --module ${module} --login --list-objects shows them. A deleted key does not come back: ${FITNESS[algorithm].instead}`,
  },
  many_keys: {
    why: (_, { key }) => `has several private keys with the label ${key}`,
    remedy: () => 'Give each key a label of its own, so that it is known which one signs.',
  },
  unfit_key: {
    why: (_, { key, algorithm }) => `cannot sign with ${key}: it is no ${FITNESS[algorithm].what}`,
    remedy: (_, { algorithm }) =>
      `Use ${HSM_KEYS[algorithm].key} with CKA_SIGN. ${FITNESS[algorithm].why}`,
  },
  no_mechanism: {
    why: ({ token }, { algorithm }) =>
      `cannot sign with ${HSM_KEYS[algorithm].way} in the token ${token}`,
    remedy: (_, { algorithm }) =>
      `Allow the mechanism ${HSM_KEYS[algorithm].mechanism} in the token.`,
  },
  ended: {
    why: () => 'has a module whose process ended',
    remedy: () =>
      'Look at the log of the module, and update it. Its process starts again at the next try.',
    isAway: true,
  },
  failed: {
    why: () => 'does not answer as it should',
    remedy: () => 'Look at the HSM, and at the log of its module.',
    isAway: true,
  },
} as const satisfies Record<string, FaultWords>

export type HsmFault = keyof typeof FAULTS

export function problemOf(
  place: HsmPlace,
  asked: HsmKey,
  { fault, code }: HsmTrouble,
): BrokerError {
  const { why, remedy, isAway = false }: FaultWords = FAULTS[fault]
  const said = `${why(place, asked)}${code === undefined ? '' : ` (${code})`}`
  const options = { remedy: remedy(place, asked) }
  return isAway ? signerAway(place.name, said, options) : signingRefused(place.name, said, options)
}
