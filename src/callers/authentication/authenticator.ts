/** Authenticates a caller. To add a way, write its file and list it in `authenticators.ts`. */
import type { Socket } from 'node:net'
import { BrokerError } from '../../errors/errors.ts'
import type { Principal } from '../policy.ts'
import type { Origin } from '../remembered-documents.ts'

export interface Credentials {
  /** The text after `Bearer `. It takes precedence over a client certificate. */
  readonly bearer?: string
  /** The connection of the request, which has the client certificate. */
  readonly socket?: Socket
}

export interface Authenticator {
  /** Undefined: the credential is not of this kind. Throws `caller_unauthenticated`: it is of this kind and invalid, so no other authenticator is asked. A remembered result comes without a promise. `from`: origin of the request. */
  authenticate(
    credentials: Credentials,
    from?: Origin,
  ): Principal | undefined | Promise<Principal | undefined>
}

/** Reasons of a refused credential, for the log and metrics only. */
const REFUSAL_CODES = [
  'KEY_MALFORMED',
  'KEY_UNKNOWN',
  'KEY_EXPIRED',
  'KEY_OUTSIDE_NETWORKS',
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
  'TOKEN_OUTSIDE_NETWORKS',
  'CERTIFICATE_UNTRUSTED',
  'CERTIFICATE_NOT_FOR_CLIENTS',
  'CERTIFICATE_OUT_OF_TIME',
  'CERTIFICATE_NAMELESS',
  'CERTIFICATE_OUTSIDE_NETWORKS',
] as const

export type RefusalCode = (typeof REFUSAL_CODES)[number]

/** Reasons of failed authentication, including missing and unknown credentials. */
export const AUTHENTICATION_FAILURES = [
  ...REFUSAL_CODES,
  'CREDENTIAL_MISSING',
  'CREDENTIAL_UNKNOWN',
  'RATE_LIMITED',
] as const

type AuthenticationFailure = (typeof AUTHENTICATION_FAILURES)[number]

/** The same answer for every invalid bearer credential, so that it does not tell which part was right. */
export const refusedBearer = (code: RefusalCode, outside?: Outsider): BrokerError =>
  new BrokerError('caller_unauthenticated', 'The bearer credential is not valid', {
    cause: { code, ...(outside && { outside: outsider(outside) }) },
  })

export const refusedCertificate = (code: RefusalCode, outside?: Outsider): BrokerError =>
  new BrokerError('caller_unauthenticated', 'The client certificate is not valid', {
    cause: { code, ...(outside && { outside: outsider(outside) }) },
  })

/** Whose valid credential came from outside its networks. For the audit only: the answer does not tell. */
export type Outsider = Pick<Principal, 'id' | 'key'>

const outsider = ({ id, key }: Outsider): Outsider => ({ id, ...(key && { key }) })

/** The principal whose valid credential was refused because of its address. The error is one of the functions above, or says that such errors come too often. */
export function outsiderOf({ cause }: BrokerError): Outsider | undefined {
  if (typeof cause !== 'object' || cause === null || !('outside' in cause)) return undefined
  return cause.outside as Outsider
}

/** The reason in an error of the functions above. */
export function refusalCodeOf({ code, cause }: BrokerError): RefusalCode | undefined {
  if (code !== 'caller_unauthenticated') return undefined
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined
  return typeof cause.code === 'string' && /^(KEY|TOKEN|CERTIFICATE)_/.test(cause.code)
    ? (cause.code as RefusalCode)
    : undefined
}

/** The reason in the problem of an answer. Undefined: the problem is not about authentication. */
export function authenticationFailureOf(
  error: BrokerError,
  carriesCredential: boolean,
): AuthenticationFailure | undefined {
  if (error.code === 'rate_limited') return 'RATE_LIMITED'
  if (error.code !== 'caller_unauthenticated') return undefined
  return refusalCodeOf(error) ?? (carriesCredential ? 'CREDENTIAL_UNKNOWN' : 'CREDENTIAL_MISSING')
}
