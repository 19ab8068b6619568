/** Keys that sign the proofs of probes. */
import { createHash, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { type DpopKey, openDpopKey, type StoredDpopKey } from '../../dpop/dpop-key.ts'

/** In the thread pool: an RSA key takes a tenth of a second. */
const makePair = promisify(generateKeyPair)

export interface ProbeKey extends DpopKey {
  /** Null: the algorithm has none. */
  readonly digest: 'sha256' | null
}

/** P-256, as every bound integration has it. */
export const es256Key = (stored: StoredDpopKey): ProbeKey => ({
  ...openDpopKey(stored),
  digest: 'sha256',
})

export const rs256Key = async (): Promise<ProbeKey> =>
  keyOf('RS256', await makePair('rsa', { modulusLength: 2_048 }), 'sha256')

export const eddsaKey = async (): Promise<ProbeKey> =>
  keyOf('EdDSA', await makePair('ed25519', {}), null)

interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

function keyOf(alg: string, { privateKey, publicKey }: Pair, digest: ProbeKey['digest']): ProbeKey {
  const jwk = publicKey.export({ format: 'jwk' })
  // RFC 7638: the members in the order of their names.
  const sorted = Object.fromEntries(Object.entries(jwk).sort(([a], [b]) => (a < b ? -1 : 1)))
  return {
    thumbprint: createHash('sha256').update(JSON.stringify(sorted)).digest('base64url'),
    privateKey,
    header: Buffer.from(JSON.stringify({ typ: 'dpop+jwt', alg, jwk })).toString('base64url'),
    digest,
  }
}
