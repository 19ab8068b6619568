/** Signs by a PKCS#11 module: an HSM, a smart card, SoftHSM. */
import { createPublicKey } from 'node:crypto'
import type { KeyReference, SigningBackend } from '../remote-key.ts'
import type { Pkcs11Settings } from '../signer-settings.ts'
import { signerAway } from '../signing-problem.ts'
import type { Hsm } from './hsm.ts'
import { problemOf } from './hsm-faults.ts'

export function createPkcs11(
  settings: Pick<Pkcs11Settings, 'name' | 'module' | 'token' | 'pinFile'>,
  hsm: Hsm,
): SigningBackend {
  const { name, token, pinFile } = settings
  const place = { token, pinFile }

  const ask = async (key: string, signal: AbortSignal, data?: Uint8Array) => {
    const request = { place, key, ...(data && { data }) }
    const { result, trouble } = await hsm.ask(request, signal)
    if (trouble) throw problemOf(settings, key, trouble)
    return result
  }

  return {
    async sign({ key }: KeyReference, data, signal) {
      const result = await ask(key, signal, data)
      if (!result || !('signature' in result)) throw signerAway(name, 'answers without a signature')
      return result.signature
    },
    async publicKeys(key, signal) {
      const result = await ask(key, signal)
      if (!result || !('modulus' in result)) throw signerAway(name, 'answers without a public key')
      const { modulus, exponent } = result
      const jwk = { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) }
      const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
      return [{ pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }]
    },
    stop: hsm.stop,
  }
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
