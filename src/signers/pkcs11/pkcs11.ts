/** Signs by a PKCS#11 module: an HSM, a smart card, SoftHSM. */
import { createPublicKey } from 'node:crypto'
import { algorithmOf, type SigningAlgorithm, type SigningBackend } from '../remote-key.ts'
import type { Pkcs11Settings } from '../signer-settings.ts'
import { signerAway } from '../signing-problem.ts'
import type { Hsm, HsmPublicKey } from './hsm.ts'
import { problemOf } from './hsm-faults.ts'

export function createPkcs11(
  settings: Pick<Pkcs11Settings, 'name' | 'module' | 'token' | 'pinFile'>,
  hsm: Hsm,
): SigningBackend {
  const { name, token, pinFile } = settings
  const place = { token, pinFile }

  const ask = async (
    key: string,
    algorithm: SigningAlgorithm,
    signal: AbortSignal,
    data?: Uint8Array,
  ) => {
    const request = { place, key, algorithm, ...(data && { data }) }
    const { result, trouble } = await hsm.ask(request, signal)
    if (trouble) throw problemOf(settings, { key, algorithm }, trouble)
    return result
  }

  return {
    async sign(named, data, signal) {
      const result = await ask(named.key, algorithmOf(named), signal, data)
      if (!result || !('signature' in result)) throw signerAway(name, 'answers without a signature')
      return result.signature
    },
    async publicKeys(key, algorithm, signal) {
      const result = await ask(key, algorithm, signal)
      if (!result || 'signature' in result) throw signerAway(name, 'answers without a public key')
      const publicKey = createPublicKey({ key: jwkOf(result), format: 'jwk' })
      return [{ pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }]
    },
    stop: hsm.stop,
  }
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

const jwkOf = (key: HsmPublicKey) =>
  'x' in key
    ? { kty: 'EC', crv: 'P-256', x: base64url(key.x), y: base64url(key.y) }
    : { kty: 'RSA', n: base64url(key.modulus), e: base64url(key.exponent) }
