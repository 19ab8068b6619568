/** Signs by AWS KMS. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { joseSignature } from '../crypto/ecdsa.ts'
import { FITNESS } from './fitness.ts'
import { createKmsAsking, type KmsPurpose } from './kms-asking.ts'
import { algorithmOf, type SigningAlgorithm, type SigningBackend } from './remote-key.ts'
import type { KmsSettings } from './signer-settings.ts'
import { signerAway, signingRefused } from './signing-problem.ts'

export function createAwsKms(
  settings: Pick<KmsSettings, 'name' | 'region' | 'endpoint'>,
): SigningBackend {
  const { name } = settings
  const kms = createKmsAsking(settings)
  const purposeOf = (algorithm: SigningAlgorithm): KmsPurpose => ({
    allow: `kms:Sign (${NAMES[algorithm]}) and kms:GetPublicKey`,
    does: 'sign with',
    unfit: (key) => unfit(name, key, algorithm),
  })

  return {
    async sign(named, data, abortSignal) {
      const { key } = named
      const algorithm = algorithmOf(named)
      const { Signature } = await kms.ask(key, purposeOf(algorithm), ({ sdk, client }) =>
        client.send(
          new sdk.SignCommand({
            KeyId: key,
            Message: data,
            MessageType: 'RAW',
            SigningAlgorithm: NAMES[algorithm],
          }),
          { abortSignal },
        ),
      )
      if (!Signature) throw signerAway(name, 'answers without a signature')
      // It outlives the next signature of another request.
      return algorithm === 'ES256' ? Buffer.from(joseSignature(Buffer.from(Signature))) : Signature
    },

    async publicKeys(key, algorithm, abortSignal) {
      const purpose = purposeOf(algorithm)
      const { PublicKey, KeyUsage } = await kms.ask(key, purpose, ({ sdk, client }) =>
        client.send(new sdk.GetPublicKeyCommand({ KeyId: key }), { abortSignal }),
      )
      if (!PublicKey) throw signerAway(name, 'answers without a public key')
      const der = Buffer.from(PublicKey)
      const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
      if (!FITS[algorithm](publicKey) || KeyUsage !== 'SIGN_VERIFY') {
        throw unfit(name, key, algorithm)
      }
      return [{ pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }]
    },

    stop: kms.stop,
  }
}

/** By the names of KMS. */
const NAMES = { RS256: 'RSASSA_PKCS1_V1_5_SHA_256', ES256: 'ECDSA_SHA_256' } as const

const FITS: Readonly<Record<SigningAlgorithm, (key: KeyObject) => boolean>> = {
  RS256: ({ asymmetricKeyType }) => asymmetricKeyType === 'rsa',
  ES256: ({ asymmetricKeyDetails }) => asymmetricKeyDetails?.namedCurve === 'prime256v1',
}

const unfit = (name: string, key: string, algorithm: SigningAlgorithm) => {
  const { what, kms, why } = FITNESS[algorithm]
  return signingRefused(name, `cannot sign with ${key}: it is no ${what}`, {
    remedy: `Use a key with the usage SIGN_VERIFY and the spec ${kms}. ${why}`,
  })
}
