/** Wraps by a symmetric key of AWS KMS. */
import { createKmsAsking, type KmsPurpose } from '../kms-asking.ts'
import type { KmsSettings } from '../signer-settings.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'
import type { WrappingBackend } from './wrapping.ts'

/** The member of the encryption context. A policy may name it. */
const CONTEXT = 'valetkey'

export function createKmsWrapping(
  settings: Pick<KmsSettings, 'name' | 'region' | 'endpoint'>,
): WrappingBackend {
  const { name } = settings
  const { ask, stop } = createKmsAsking(settings)
  const purpose: KmsPurpose = {
    allow: 'kms:Encrypt and kms:Decrypt',
    does: 'wrap with',
    unfit: (key) =>
      signingRefused(name, `cannot wrap with ${key}: it is no symmetric key that encrypts`, {
        remedy: 'Use a key with the usage ENCRYPT_DECRYPT and the spec SYMMETRIC_DEFAULT.',
      }),
    foreign: (key) =>
      signingRefused(name, `did not wrap this with ${key}: another key did`, {
        remedy: 'Name the id or the ARN of the key that wrapped.',
      }),
  }

  return {
    async wrap(key, plaintext, binding, abortSignal) {
      const { CiphertextBlob } = await ask(key, purpose, ({ sdk, client }) =>
        client.send(
          new sdk.EncryptCommand({
            ...{ KeyId: key, Plaintext: plaintext, EncryptionContext: { [CONTEXT]: binding } },
          }),
          { abortSignal },
        ),
      )
      if (!CiphertextBlob) throw signerAway(name, 'answers without a ciphertext')
      return Buffer.from(CiphertextBlob).toString('base64')
    },
    async unwrap(key, wrapped, binding, abortSignal) {
      const { Plaintext } = await ask(key, purpose, ({ sdk, client }) =>
        client.send(
          new sdk.DecryptCommand({
            ...{ KeyId: key, CiphertextBlob: Buffer.from(wrapped, 'base64') },
            EncryptionContext: { [CONTEXT]: binding },
          }),
          { abortSignal },
        ),
      )
      if (!Plaintext) throw signerAway(name, 'answers without a plaintext')
      return Plaintext
    },
    stop,
  }
}
