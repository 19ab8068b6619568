/** Converts problems to SOAP faults in the codes that Salesforce clients know. Pure. */
import { BrokerError } from '../../errors/errors.ts'
import type { ProblemCode } from '../../errors/problems.ts'
import { escapedXml } from '../../setup/xml.ts'
import { salesforceErrorOf } from '../salesforce-error.ts'
import { FAULT_NAMESPACES, type SoapApi } from './soap-address.ts'

/** Values of `ExceptionCode` in the WSDLs: clients that are made of one know no others. */
type ExceptionCode =
  | 'API_DISABLED_FOR_ORG'
  | 'INSUFFICIENT_ACCESS'
  | 'INVALID_LOGIN'
  | 'INVALID_OPERATION'
  | 'REQUEST_LIMIT_EXCEEDED'
  | 'SERVER_UNAVAILABLE'
  | 'UNKNOWN_EXCEPTION'
  | 'UNSUPPORTED_API_VERSION'

/** `Client`: of SOAP itself, because the request is not a call. */
type FaultCode = ExceptionCode | 'LOGIN_RATE_EXCEEDED' | 'Client'

interface SoapFault {
  readonly code: FaultCode
  readonly message: string
  readonly retryAfterSeconds?: number
}

/** For every wrong key and every forbidden name, so that it does not tell which of them it was. */
const INVALID_LOGIN: SoapFault = {
  code: 'INVALID_LOGIN',
  message:
    'Invalid username, password, security token; or user locked out. Send an API key as the password, and as the username the name of an integration whose tokens it may read.',
}

/** What differs from the rule in `soapFaultOf`. */
const CODES: Partial<Record<ProblemCode, FaultCode>> = {
  not_found: 'API_DISABLED_FOR_ORG',
  integration_not_found: 'INVALID_LOGIN',
  request_not_allowed: 'INSUFFICIENT_ACCESS',
  /** A client that repeats its logins gives up on it. */
  token_still_live: 'INVALID_LOGIN',
  rate_limited: 'LOGIN_RATE_EXCEEDED',
  login_budget_exhausted: 'LOGIN_RATE_EXCEEDED',
  store_reset: 'SERVER_UNAVAILABLE',
  refresh_token_doubted: 'SERVER_UNAVAILABLE',
  record_corrupt: 'SERVER_UNAVAILABLE',
  signing_refused: 'SERVER_UNAVAILABLE',
  token_response_invalid: 'SERVER_UNAVAILABLE',
}

/** Marks of problems that only SOAP has. */
const VERSION = Symbol('version')
const OPERATION = Symbol('operation')
const OF_SOAP: ReadonlyMap<unknown, ExceptionCode> = new Map([
  [VERSION, 'UNSUPPORTED_API_VERSION'],
  [OPERATION, 'INVALID_OPERATION'],
])

export const unsupportedVersion = (what: string, remedy: string): BrokerError =>
  new BrokerError('request_invalid', what, { remedy, cause: VERSION })

export const unsupportedOperation = (what: string, remedy: string): BrokerError =>
  new BrokerError('request_invalid', what, { remedy, cause: OPERATION })

const LOGIN = {
  grant: 'password',
  hasClientId: false,
  isResource: false,
  isLogin: false,
} as const

/** `name`: the integration in the URL. */
export function soapFaultOf(problem: BrokerError, name: string | undefined): SoapFault {
  const { code, cause } = problem
  if (code === 'caller_unauthenticated' || code === 'caller_forbidden') return INVALID_LOGIN
  const asked = { ...LOGIN, name }
  const { status, error, description, retryAfterSeconds } = salesforceErrorOf(problem, asked)
  const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  const message = withWait(description, retryAfterSeconds)
  const fault = (of: FaultCode): SoapFault => ({ code: of, message, ...wait })
  const own = OF_SOAP.get(cause) ?? CODES[code]
  if (own !== undefined) return fault(own)
  if (status === 503) return fault('SERVER_UNAVAILABLE')
  if (status === 500) return fault('UNKNOWN_EXCEPTION')
  // Somebody has to change the integration, or something at Salesforce.
  return fault(error === 'invalid_grant' ? 'API_DISABLED_FOR_ORG' : 'Client')
}

/** People see the text, and never the header. */
function withWait(text: string, seconds: number | undefined): string {
  const isSaid = seconds === undefined || /\b\d+ seconds?\b/.test(text)
  return isSaid ? text : `${text} Wait ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`
}

/** Whether somebody should look at this service or its surroundings. */
export const isOutage = ({ code }: SoapFault): boolean =>
  code === 'UNKNOWN_EXCEPTION' || code === 'SERVER_UNAVAILABLE'

/** The body of an answer with status 500. `kind`: the API of the request, if it is known. */
export function faultText({ code, message }: SoapFault, kind: SoapApi['kind'] = 'u'): string {
  const text = escapedXml(message)
  const isOfSoap = code === 'Client'
  const faultCode = isOfSoap ? 'soapenv:Client' : `sf:${code}`
  // The fault code is no value of ExceptionCode, and the Java client stops at others.
  const exception = code === 'LOGIN_RATE_EXCEEDED' ? 'REQUEST_LIMIT_EXCEEDED' : code
  const type = code === 'INVALID_LOGIN' ? 'sf:LoginFault' : 'sf:UnexpectedErrorFault'
  const detail = isOfSoap
    ? ''
    : `<detail><${type} xsi:type="${type}"><sf:exceptionCode>${exception}</sf:exceptionCode><sf:exceptionMessage>${text}</sf:exceptionMessage></${type}></detail>`
  const words = isOfSoap ? text : `${code}: ${text}`
  return `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="${FAULT_NAMESPACES[kind]}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>${faultCode}</faultcode><faultstring>${words}</faultstring>${detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>`
}
