import { ORG_ADDRESSES, type Org } from './orgs.ts'

/** The part of Salesforce that a `Host` header names. Answers name other parts in the same way as the request: by loopback address or by real name. */
export type HostRole =
  | { readonly kind: 'login' }
  | { readonly kind: 'test' }
  | { readonly kind: 'my_domain'; readonly org: Org }
  | { readonly kind: 'site'; readonly org: Org }

export const LOGIN_ADDRESS = '127.0.0.2'
const TEST_ADDRESS = '127.0.0.3'
export const ADDRESSES: readonly string[] = [
  '127.0.0.1',
  LOGIN_ADDRESS,
  TEST_ADDRESS,
  ...ORG_ADDRESSES.slice(1),
]

const LOGIN_NAME = 'login.salesforce.com'
const TEST_NAME = 'test.salesforce.com'

/** The role of a host name without port. Undefined: the host is unknown. */
export function roleOf(host: string, orgs: readonly Org[]): HostRole | undefined {
  const name = host.toLowerCase()
  if (name === LOGIN_ADDRESS || name === LOGIN_NAME) return { kind: 'login' }
  if (name === TEST_ADDRESS || name === TEST_NAME) return { kind: 'test' }
  for (const org of orgs) {
    if (name === org.address || name === myDomainName(org)) return { kind: 'my_domain', org }
    if (name === siteName(org) || name === org.customDomain) return { kind: 'site', org }
  }
  return undefined
}

/** Origins of the parts of Salesforce for one client. No trailing slash. */
export interface Origins {
  login(): string
  test(): string
  /** The login host for the kind of org, which has its identity URLs. */
  loginOf(org: Org): string
  myDomain(org: Org): string
  site(org: Org): string
}

/** `authority` is the `Host` header of the request. */
export function originsAs(scheme: 'http' | 'https', authority: string): Origins {
  const { host, port } = splitAuthority(authority)
  const byAddress = /^[\d.]+$/.test(host)
  const at = (address: string, name: string) =>
    `${scheme}://${byAddress ? address : name}${port === undefined ? '' : `:${port}`}`
  const login = () => at(LOGIN_ADDRESS, LOGIN_NAME)
  const test = () => at(TEST_ADDRESS, TEST_NAME)
  return {
    login,
    test,
    loginOf: (org) => (org.kind === 'sandbox' ? test() : login()),
    myDomain: (org) => at(org.address, myDomainName(org)),
    site: (org) => at(org.address, siteName(org)),
  }
}

export function splitAuthority(authority: string): { host: string; port: string | undefined } {
  const [, host = authority, port] = /^(.*?)(?::(\d+))?$/.exec(authority) ?? []
  return { host, port }
}

function myDomainName(org: Org): string {
  return org.kind === 'sandbox'
    ? `${org.myDomain}.sandbox.my.salesforce.com`
    : `${org.myDomain}.my.salesforce.com`
}

function siteName(org: Org): string {
  return org.kind === 'sandbox'
    ? `${org.myDomain}.sandbox.my.site.com`
    : `${org.myDomain}.my.site.com`
}
