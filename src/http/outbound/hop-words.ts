/** What is said of a failure at a hop, and what to do about it there. One table, for problems and for the doctor. */
import type { Hop } from './hop.ts'

export interface HopWords {
  /** A whole sentence. */
  readonly detail: string
  readonly remedy: string
}

type Place = 'proxy_resolve' | 'proxy_connect' | 'proxy_tls' | 'proxy_tunnel'
type HostPlace = 'host_resolve' | 'host_connect' | 'host_tls' | 'host_http'

interface Row {
  readonly detail: (host: string) => string
  readonly remedy: string
}

const THE_PROXY = 'The proxy (HTTPS_PROXY)'

/** Where nothing more is known than the place. */
const PLACES: Readonly<Record<Place | HostPlace, Row>> = {
  proxy_resolve: {
    detail: () => 'The name of the proxy (HTTPS_PROXY) does not resolve',
    remedy: 'Correct the host in HTTPS_PROXY; look at the DNS here.',
  },
  proxy_connect: {
    detail: () => `${THE_PROXY} cannot be reached`,
    remedy:
      'Look whether the proxy runs at the host and port of HTTPS_PROXY, and at the firewall on the way to it.',
  },
  proxy_tls: {
    detail: () => `There is no TLS with the proxy (HTTPS_PROXY), or its certificate is not trusted`,
    remedy:
      'Write HTTPS_PROXY with http:// if the proxy takes plain HTTP, as most do, whatever is called through it; else have Node trust its CA (NODE_EXTRA_CA_CERTS), and name it as its certificate does.',
  },
  proxy_tunnel: {
    detail: (host) => `${THE_PROXY} does not open a tunnel to ${host}`,
    remedy: 'Look at the log of the proxy.',
  },
  host_resolve: {
    detail: (host) => `${host} does not resolve`,
    remedy:
      'Correct the host in login_url (Setup → My Domain → Current My Domain URL); look at the DNS here.',
  },
  host_connect: {
    detail: (host) => `${host} cannot be reached`,
    remedy:
      'Look at the firewall on the way, and whether this network leaves by a proxy (HTTPS_PROXY).',
  },
  host_tls: {
    detail: (host) => `The TLS certificate of ${host} is not trusted`,
    remedy:
      'Look for a proxy on the way that opens TLS, and have Node trust its CA (NODE_EXTRA_CA_CERTS); look at the clock here.',
  },
  host_http: {
    detail: (host) => `${host} broke off the connection, or answered no HTTP`,
    remedy:
      'Look at the firewall and the proxy on the way, and at status.salesforce.com; it may pass by itself.',
  },
}

/** What a proxy says in place of a tunnel. */
const STATUSES: Readonly<Record<number, Row>> = {
  401: { detail: () => `${THE_PROXY} refuses us`, remedy: 'Look at the log of the proxy.' },
  403: {
    detail: (host) => `${THE_PROXY} forbids the way to ${host}`,
    remedy:
      'Have the hosts of login_url and of instance_url allowed at the proxy, port 443: *.my.salesforce.com, and login.salesforce.com where it is used.',
  },
  407: {
    detail: () => `${THE_PROXY} wants another user name and password, or any at all`,
    remedy:
      'Write them into HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT, percent-encoded). The scheme is Basic: a proxy that wants NTLM or Kerberos alone needs a rule for this machine.',
  },
}

const NO_WAY: Row = {
  detail: (host) => `${THE_PROXY} does not get through to ${host} itself`,
  remedy:
    'Look at the DNS and the firewall of the proxy; compare login_url with the org, since a name that is wrong is told like this.',
}

const NO_TUNNEL: Row = {
  detail: () => `What HTTPS_PROXY names does not open tunnels`,
  remedy:
    'Look whether HTTPS_PROXY names a forward proxy that allows CONNECT to port 443, and not a web server.',
}

const NO_HTTP: Row = {
  detail: () => `What HTTPS_PROXY names answers CONNECT with something that is no HTTP`,
  remedy:
    'Look whether HTTPS_PROXY has the right host and port, and https:// where the proxy itself speaks TLS.',
}

const BROKEN_OFF: Row = {
  detail: () => `${THE_PROXY} breaks off the connection and answers nothing to CONNECT`,
  remedy:
    'Look at the log of the proxy: it may not allow this machine or this host; write https:// in HTTPS_PROXY where the proxy itself speaks TLS.',
}

/** Of what did not come in time. */
const LATE: Readonly<Record<Place | HostPlace, Row>> = {
  proxy_resolve: {
    detail: () => 'The name of the proxy (HTTPS_PROXY) did not resolve in time',
    remedy: 'Look at the DNS here.',
  },
  proxy_connect: {
    detail: () => `${THE_PROXY} did not take the connection in time`,
    remedy: PLACES.proxy_connect.remedy,
  },
  proxy_tls: {
    detail: () => `${THE_PROXY} did not answer in TLS in time`,
    remedy: PLACES.proxy_tls.remedy,
  },
  proxy_tunnel: {
    detail: () => `${THE_PROXY} took the connection, and did not answer CONNECT in time`,
    remedy:
      'Look at the proxy: it hangs, or it waits for its own DNS or for the host. Nothing was sent to Salesforce.',
  },
  host_resolve: {
    detail: (host) => `${host} did not resolve in time`,
    remedy: 'Look at the DNS here.',
  },
  host_connect: {
    detail: (host) => `${host} did not take the connection in time`,
    remedy: PLACES.host_connect.remedy,
  },
  host_tls: {
    detail: (host) => `${host} took the connection, and did not answer in TLS in time`,
    remedy: 'Look at the firewall and the proxy on the way, which may hold TLS back.',
  },
  host_http: {
    detail: (host) => `${host} took the request, and did not answer in time`,
    remedy: 'Wait as long as `Retry-After` says; see status.salesforce.com.',
  },
}

const LATE_CODES = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'])
const UNTRUSTED =
  /^(?:CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_|INVALID_|PATH_)|ALTNAME/

/** `host`: whom the call is for. */
export function wordsOf(hop: Hop, host: string): HopWords {
  const { detail, remedy } = rowOf(hop)
  const { status, code } = hop
  const known = [...(status === undefined ? [] : [`status ${status}`]), ...(code ? [code] : [])]
  return { detail: `${detail(host)}${known.length === 0 ? '' : ` (${known.join(', ')})`}.`, remedy }
}

function rowOf(hop: Hop): Row {
  const { at, step, status, code = '' } = hop
  const place = `${at}_${step}` as Place | HostPlace
  if (LATE_CODES.has(code)) return LATE[place]
  if (place === 'host_tls' && !UNTRUSTED.test(code)) return NO_TLS
  if (place !== 'proxy_tunnel') return PLACES[place]
  if (status !== undefined) return rowOfStatus(status)
  if (code.startsWith('HPE_')) return NO_HTTP
  return code === '' ? PLACES.proxy_tunnel : BROKEN_OFF
}

const NO_TLS: Row = {
  detail: (host) =>
    `There is no TLS with ${host}: the connection was broken off, or something else answers`,
  remedy: PLACES.host_tls.remedy,
}

function rowOfStatus(status: number): Row {
  const known = STATUSES[status]
  if (known) return known
  if (status >= 500 && status !== 501) return NO_WAY
  return status === 429 ? PLACES.proxy_tunnel : NO_TUNNEL
}
