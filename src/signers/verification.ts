/** Whether a signer made the signature that it was asked for. */
import { constants as crypto, verify } from 'node:crypto'
import { promisify } from 'node:util'
import type { BrokerError } from '../errors/errors.ts'
import { FITNESS } from './fitness.ts'
import { algorithmOf, idOfKey, type RemoteKey } from './remote-key.ts'
import { signingRefused } from './signing-problem.ts'

const verifies = promisify(verify)

/** How a signature of an algorithm is verified. */
const FORMS = {
  RS256: { padding: crypto.RSA_PKCS1_PADDING },
  ES256: { dsaEncoding: 'ieee-p1363' },
} as const

export async function isVerified(
  key: RemoteKey,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const form = FORMS[algorithmOf(key)]
  return verifies('sha256', data, { key: key.publicKey, ...form }, signature)
}

export const wrongSignature = (key: RemoteKey): BrokerError =>
  signingRefused(key.name, `made a signature with ${idOfKey(key)} that its public key refuses`, {
    remedy: `Compare the key at the signer with that of ${fitness(key).owner}: another key has its name now, or it does not sign with ${fitness(key).by}`,
  })

const fitness = (key: RemoteKey) => FITNESS[algorithmOf(key)]
