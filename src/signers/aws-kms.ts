/** Signs by AWS KMS. */
import { createPublicKey } from 'node:crypto'
import { createKmsAsking } from './kms-asking.ts'
import type { SigningBackend } from './remote-key.ts'
import type { KmsSettings } from './signer-settings.ts'
import { signerAway, signingRefused } from './signing-problem.ts'

export function createAwsKms(
  settings: Pick<KmsSettings, 'name' | 'region' | 'endpoint'>,
): SigningBackend {
  const { name } = settings
  const { ask, stop } = createKmsAsking(settings, {
    allow: 'kms:Sign and kms:GetPublicKey',
    does: 'sign with',
    unfit: (key) => unfit(name, key),
  })

  return {
    async sign({ key }, data, abortSignal) {
      const { Signature } = await ask(key, ({ sdk, client }) =>
        client.send(
          new sdk.SignCommand({
            KeyId: key,
            Message: data,
            MessageType: 'RAW',
            SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256',
          }),
          { abortSignal },
        ),
      )
      if (!Signature) throw signerAway(name, 'answers without a signature')
      return Signature
    },

    async publicKeys(key, abortSignal) {
      const { PublicKey, KeyUsage } = await ask(key, ({ sdk, client }) =>
        client.send(new sdk.GetPublicKeyCommand({ KeyId: key }), { abortSignal }),
      )
      if (!PublicKey) throw signerAway(name, 'answers without a public key')
      const der = Buffer.from(PublicKey)
      const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
      if (publicKey.asymmetricKeyType !== 'rsa' || KeyUsage !== 'SIGN_VERIFY') {
        throw unfit(name, key)
      }
      return [{ pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }]
    },

    stop,
  }
}

const unfit = (name: string, key: string) =>
  signingRefused(name, `cannot sign with ${key}: it is no RSA key for signatures`, {
    remedy:
      'Use a key with the usage SIGN_VERIFY and the spec RSA_2048, RSA_3072 or RSA_4096. Salesforce accepts only RSA.',
  })
