/** The problems of signing: the signer is away, or it refuses. They repeat nothing that the signer said. */
import { BrokerError } from '../errors/errors.ts'

interface ProblemOptions {
  readonly remedy?: string
  /** For the log. Must contain no secret. */
  readonly cause?: unknown
}

/** When the breaker lets the next one try. */
const AGAIN_MS = 1_000

/** The signer did not answer, or cannot work now. */
export const signerAway = (name: string, why: string, options: ProblemOptions = {}): BrokerError =>
  new BrokerError('signer_unavailable', `The signer ${name} ${why}`, {
    retryAfterMs: AGAIN_MS,
    ...options,
  })

/** The signer answered, and will not sign until an operator acts. */
export const signingRefused = (
  name: string,
  why: string,
  options: ProblemOptions = {},
): BrokerError => new BrokerError('signing_refused', `The signer ${name} ${why}`, options)

/** Whether a signer did not answer, so that the same may work later. */
const isSignerAway = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'signer_unavailable'

/** Whether an error is about a signer, so that Salesforce was not asked. */
export const isOfSigner = (error: unknown): boolean =>
  isSignerAway(error) || (error instanceof BrokerError && error.code === 'signing_refused')

/** Whether what was sent can become right without another request: the signer is away, or refuses until somebody acts there. */
export const isUpToSigner = (error: unknown): boolean =>
  isSignerAway(error) ||
  (error instanceof BrokerError && error.code === 'credential_invalid' && isOfSigner(error.cause))

/** Turns a refusal of work for a write into `credential_invalid`, because it is about what was sent. */
export async function asCredential<Result>(
  work: () => Promise<Result>,
  place: 'signer' | 'vault' = 'signer',
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'signing_refused') throw error
    const { remedy } = error
    throw new BrokerError('credential_invalid', `${place}: ${error.detail}`, {
      ...(remedy !== undefined && { remedy }),
      cause: error,
    })
  }
}
