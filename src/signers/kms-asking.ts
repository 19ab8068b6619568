/** Requests to AWS KMS, and what its refusals mean. The SDK is loaded with the first use, and finds its credentials by its own chain. */
import type { BrokerError } from '../errors/errors.ts'
import { once } from '../runtime/once.ts'
import type { KmsSettings } from './signer-settings.ts'
import { signerAway, signingRefused } from './signing-problem.ts'

/** One repetition by the SDK. The deadline of the caller ends both. */
const TRIES = 2

/** What a key is for, in the words of its refusals. */
export interface KmsPurpose {
  /** The actions of a policy. */
  readonly allow: string
  /** As in `sign with`. */
  readonly does: string
  readonly unfit: (key: string) => BrokerError
  /** What was given is of another key. Default: as `unfit`. */
  readonly foreign?: (key: string) => BrokerError
}

export function createKmsAsking({
  name,
  region,
  endpoint,
}: Pick<KmsSettings, 'name' | 'region' | 'endpoint'>) {
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

  return {
    /** Throws `signer_unavailable`, `signing_refused`. */
    async ask<Result>(
      key: string,
      purpose: KmsPurpose,
      work: (opened: Opened) => Promise<Result>,
    ): Promise<Result> {
      isOpen = true
      const opened = await open()
      try {
        return await work(opened)
      } catch (error) {
        throw problemOf(name, key, purpose, error)
      }
    },
    async stop(): Promise<void> {
      if (isOpen) (await open()).client.destroy()
    },
  }
}

const UNFIT = ['ValidationException', 'InvalidKeyUsageException', 'UnsupportedOperationException']
const FOREIGN = ['InvalidCiphertextException', 'IncorrectKeyException']
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
function problemOf(name: string, key: string, purpose: KmsPurpose, error: unknown): BrokerError {
  const { allow, does, unfit, foreign = unfit } = purpose
  const { name: kind = '', code } = error as { name?: string; code?: unknown }
  if (DENIED.includes(kind)) {
    return signingRefused(name, `denies this service the key ${key}`, {
      remedy: `Allow ${allow} on this key to the role of this service.`,
    })
  }
  if (kind === 'NotFoundException') {
    return signingRefused(name, `has no key ${key} in its region`, {
      remedy: 'Name the id or the ARN of a key that is in the region and the account.',
    })
  }
  if (STATES.includes(kind)) {
    return signingRefused(name, `does not ${does} ${key}: it is disabled or will be deleted`, {
      remedy: 'Enable the key, or cancel its deletion and enable it.',
    })
  }
  if (FOREIGN.includes(kind)) return foreign(key)
  if (UNFIT.includes(kind)) return unfit(key)
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
