/** How a caller proves who it is. To add a way, write its file and list it in `authenticators.ts`. */
import type { Socket } from 'node:net'
import { BrokerError } from '../../errors/errors.ts'
import type { Principal } from '../policy.ts'
import type { Origin } from '../remembered-documents.ts'

/** The credentials of a request. */
export interface Credentials {
  /** The text after `Bearer `. It wins over a client certificate. */
  readonly bearer?: string
  /** The connection that it came on: a client certificate belongs to it. */
  readonly socket?: Socket
}

export interface Authenticator {
  /** `undefined`: not this kind. A throw of `caller_unauthenticated`: this kind, and wrong; no other authenticator is asked. What is remembered is answered without a promise. `from`: where the request comes from. */
  authenticate(
    credentials: Credentials,
    from?: Origin,
  ): Principal | undefined | Promise<Principal | undefined>
}

/** Why a credential was refused: for the log and metrics alone. */
const REFUSAL_CODES = [
  'KEY_MALFORMED',
  'KEY_UNKNOWN',
  'KEY_EXPIRED',
  'TOKEN_TOO_LARGE',
  'TOKEN_MALFORMED',
  'TOKEN_HEADER_REFUSED',
  'TOKEN_ISSUER_UNKNOWN',
  'TOKEN_ALGORITHM_REFUSED',
  'TOKEN_SIGNING_KEY_UNKNOWN',
  'TOKEN_SIGNING_KEYS_UNAVAILABLE',
  'TOKEN_SIGNATURE_WRONG',
  'TOKEN_EXPIRED',
  'TOKEN_NOT_YET_VALID',
  'TOKEN_AUDIENCE_WRONG',
  'TOKEN_TYPE_WRONG',
  'TOKEN_CLAIMS_INVALID',
  'TOKEN_UNVERIFIABLE',
  'CERTIFICATE_UNTRUSTED',
  'CERTIFICATE_NOT_FOR_CLIENTS',
  'CERTIFICATE_OUT_OF_TIME',
  'CERTIFICATE_NAMELESS',
] as const

export type RefusalCode = (typeof REFUSAL_CODES)[number]

/** Why a caller is not authenticated, those that carry no credential of a known kind included. */
export const AUTHENTICATION_FAILURES = [
  ...REFUSAL_CODES,
  'CREDENTIAL_MISSING',
  'CREDENTIAL_UNKNOWN',
  'RATE_LIMITED',
] as const

type AuthenticationFailure = (typeof AUTHENTICATION_FAILURES)[number]

/** One answer for whatever is wrong with a bearer credential: which part of a guess was right is nobody's business. */
export const refusedBearer = (code: RefusalCode): BrokerError =>
  new BrokerError('caller_unauthenticated', 'The bearer credential is not valid', {
    cause: { code },
  })

export const refusedCertificate = (code: RefusalCode): BrokerError =>
  new BrokerError('caller_unauthenticated', 'The client certificate is not valid', {
    cause: { code },
  })

/** Why, of an error of the two above. */
export function refusalCodeOf({ cause }: BrokerError): RefusalCode | undefined {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined
  return typeof cause.code === 'string' && /^(KEY|TOKEN|CERTIFICATE)_/.test(cause.code)
    ? (cause.code as RefusalCode)
    : undefined
}

/** Of a problem that a request was answered with; undefined where it is none of authentication. */
export function authenticationFailureOf(
  error: BrokerError,
  carriesCredential: boolean,
): AuthenticationFailure | undefined {
  if (error.code === 'rate_limited') return 'RATE_LIMITED'
  if (error.code !== 'caller_unauthenticated') return undefined
  return refusalCodeOf(error) ?? (carriesCredential ? 'CREDENTIAL_UNKNOWN' : 'CREDENTIAL_MISSING')
}
