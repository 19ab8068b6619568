/** Signs by AWS KMS. The SDK is loaded with the first use, and finds its credentials by its own chain. */
import { createPublicKey } from 'node:crypto'
import { once } from '../runtime/once.ts'
import type { SigningBackend } from './remote-key.ts'
import type { KmsSettings } from './signer-settings.ts'
import { signerAway, signingRefused } from './signing-problem.ts'

/** One repetition by the SDK. The deadline of a signature ends both. */
const TRIES = 2

export function createAwsKms(settings: Pick<KmsSettings, 'name' | 'region' | 'endpoint'>) {
  const { name, region, endpoint } = settings

  const open = once(async () => {
    const sdk = await import('@aws-sdk/client-kms')
    const client = new sdk.KMSClient({
      ...{ region, maxAttempts: TRIES },
      ...(endpoint !== undefined && { endpoint }),
    })
    return { sdk, client }
  })
  let isOpen = false

  type Opened = Awaited<ReturnType<typeof open>>

  const ask = async <Result>(key: string, work: (opened: Opened) => Promise<Result>) => {
    isOpen = true
    const opened = await open()
    try {
      return await work(opened)
    } catch (error) {
      throw problemOf(name, key, error)
    }
  }

  const backend: SigningBackend = {
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

    async stop() {
      if (isOpen) (await open()).client.destroy()
    },
  }
  return backend
}

const unfit = (name: string, key: string) =>
  signingRefused(name, `cannot sign with ${key}: it is no RSA key for signatures`, {
    remedy:
      'Use a key with the usage SIGN_VERIFY and the spec RSA_2048, RSA_3072 or RSA_4096. Salesforce accepts only RSA.',
  })

const UNFIT = ['ValidationException', 'InvalidKeyUsageException', 'UnsupportedOperationException']
const DENIED = ['AccessDeniedException', 'AccessDenied', 'NotAuthorized']
const STATES = ['DisabledException', 'KMSInvalidStateException', 'KeyUnavailableException']
const CREDENTIALS = [
  ...['CredentialsProviderError', 'TokenProviderError', 'ExpiredTokenException', 'ExpiredToken'],
  ...['UnrecognizedClientException', 'InvalidClientTokenId', 'InvalidSignatureException'],
  ...['IncompleteSignature', 'MissingAuthenticationToken', 'InvalidIdentityToken'],
]

/** The answer names its error. Only a name that has the form of one is repeated. */
const wordIn = (kind: string): string =>
  /^[A-Z][A-Za-z]{2,40}(?:Exception|Error|Timeout)$/.test(kind) ? kind : 'unknown error'

/** Uses the name of the error. Its message repeats what was sent. */
function problemOf(name: string, key: string, error: unknown) {
  const { name: kind = '', code } = error as { name?: string; code?: unknown }
  if (DENIED.includes(kind)) {
    return signingRefused(name, `denies this service the key ${key}`, {
      remedy: 'Allow kms:Sign and kms:GetPublicKey on this key to the role of this service.',
    })
  }
  if (kind === 'NotFoundException') {
    return signingRefused(name, `has no key ${key} in its region`, {
      remedy: 'Name the id or the ARN of a key that is in the region and the account.',
    })
  }
  if (STATES.includes(kind)) {
    return signingRefused(name, `does not sign with ${key}: it is disabled or will be deleted`, {
      remedy: 'Enable the key, or cancel its deletion and enable it.',
    })
  }
  if (UNFIT.includes(kind)) return unfit(name, key)
  if (CREDENTIALS.includes(kind)) {
    return signingRefused(
      name,
      'does not accept the AWS credentials of this service, or has none',
      {
        remedy:
          'Give this service credentials: the role of its service account or task, or AWS_ variables.',
      },
    )
  }
  const why = typeof code === 'string' && /^[A-Z_]{2,40}$/.test(code) ? code : wordIn(kind)
  return signerAway(name, `cannot be reached (${why})`)
}
