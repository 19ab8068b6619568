/** Where the SOAP APIs of an instance are, and which of them a request names. Pure. */
import type { Lease } from '../../tokens/serve/lease.ts'

/** The API of a client and its version, as its URL names them. */
export interface SoapApi {
  /** `u`: Partner, `c`: Enterprise. */
  readonly kind: SoapApiKind
  /** Such as `60.0`. */
  readonly version: string
  /** The package versions of an Enterprise WSDL, which are the end of its URLs. */
  readonly packages?: string
}

export const SOAP_API_KINDS = ['u', 'c'] as const

type SoapApiKind = (typeof SOAP_API_KINDS)[number]

export const VERSION = /^v?([1-9]\d{0,2}\.0)$/
/** The first API version whose SOAP takes a token in the form of a JWT. */
export const JWT_SINCE = 68
const PACKAGES = /^0DF[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?$/
/** Salesforce writes ids of 15 characters into these URLs. */
const ID_LENGTH = 15

/** Undefined: the URL names no version of one of the two APIs. */
export function soapApiIn(kind: string, version: string, rest?: string): SoapApi | undefined {
  const number = VERSION.exec(version)?.[1]
  const known = SOAP_API_KINDS.find((one) => one === kind)
  if (number === undefined || known === undefined) return undefined
  const hasPackages = rest !== undefined && PACKAGES.test(rest)
  return { kind: known, version: number, ...(hasPackages && { packages: rest }) }
}

/** The major version, as a number. */
export const majorOf = ({ version }: Pick<SoapApi, 'version'>): number =>
  Number.parseInt(version, 10)

export const NAMESPACES: Readonly<Record<SoapApiKind, string>> = {
  u: 'urn:partner.soap.sforce.com',
  c: 'urn:enterprise.soap.sforce.com',
}

export const FAULT_NAMESPACES: Readonly<Record<SoapApiKind, string>> = {
  u: 'urn:fault.partner.soap.sforce.com',
  c: 'urn:fault.enterprise.soap.sforce.com',
}

interface ServerUrls {
  readonly serverUrl: string
  readonly metadataServerUrl: string
}

/** `orgId`: of 15 or 18 characters. */
export function serverUrlsOf(
  { instanceUrl }: Pick<Lease, 'instanceUrl'>,
  { kind, version, packages }: SoapApi,
  orgId: string,
): ServerUrls {
  const root = `${instanceUrl.replace(/\/$/, '')}/services/Soap`
  const id = orgId.slice(0, ID_LENGTH)
  const end = packages === undefined ? id : `${id}/${packages}`
  return {
    serverUrl: `${root}/${kind}/${version}/${end}`,
    metadataServerUrl: `${root}/m/${version}/${id}`,
  }
}
