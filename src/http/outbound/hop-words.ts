/** Detail and remedy for a failure at each hop, used by problems and by the doctor. */
import type { Hop } from './hop.ts'

interface HopWords {
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

/** If only the hop is known. */
const PLACES: Readonly<Record<Place | HostPlace, Row>> = {
  proxy_resolve: {
    detail: () => 'The name of the proxy (HTTPS_PROXY) does not resolve',
    remedy: 'Correct the host in HTTPS_PROXY; check the DNS of this machine.',
  },
  proxy_connect: {
    detail: () => `${THE_PROXY} cannot be reached`,
    remedy:
      'Check that the proxy runs at the host and port of HTTPS_PROXY, and check the firewall.',
  },
  proxy_tls: {
    detail: () =>
      `The TLS handshake with the proxy (HTTPS_PROXY) failed, or its certificate is not trusted`,
    remedy:
      'Write HTTPS_PROXY with http:// if the proxy accepts plain HTTP, as most proxies do. Otherwise make Node trust its CA (NODE_EXTRA_CA_CERTS), and use the host name of its certificate.',
  },
  proxy_tunnel: {
    detail: (host) => `${THE_PROXY} does not open a tunnel to ${host}`,
    remedy: 'Check the log of the proxy.',
  },
  host_resolve: {
    detail: (host) => `${host} does not resolve`,
    remedy:
      'Correct the host in login_url (Setup → My Domain → Current My Domain URL); check the DNS of this machine.',
  },
  host_connect: {
    detail: (host) => `${host} cannot be reached`,
    remedy: 'Check the firewall, and whether this network requires a proxy (HTTPS_PROXY).',
  },
  host_tls: {
    detail: (host) => `The TLS certificate of ${host} is not trusted`,
    remedy:
      'Look for a proxy that intercepts TLS, and make Node trust its CA (NODE_EXTRA_CA_CERTS); check the clock of this machine.',
  },
  host_http: {
    detail: (host) => `${host} closed the connection, or did not answer with HTTP`,
    remedy:
      'Check the firewall, the proxy and status.salesforce.com; the failure may be temporary.',
  },
}

/** Statuses of the proxy's answer to CONNECT. */
const STATUSES: Readonly<Record<number, Row>> = {
  401: { detail: () => `${THE_PROXY} refuses this service`, remedy: 'Check the log of the proxy.' },
  403: {
    detail: (host) => `${THE_PROXY} forbids connections to ${host}`,
    remedy:
      'Allow the hosts of login_url and instance_url at the proxy, port 443: *.my.salesforce.com, and login.salesforce.com if it is used.',
  },
  407: {
    detail: () => `${THE_PROXY} requires a user name and password, or refuses the given ones`,
    remedy:
      'Write them into HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT, percent-encoded). Only Basic is supported: a proxy that requires NTLM or Kerberos needs an exception for this machine.',
  },
}

const NO_WAY: Row = {
  detail: (host) => `${THE_PROXY} cannot reach ${host}`,
  remedy:
    'Check the DNS and the firewall of the proxy; compare login_url with the org, because a wrong host name gives the same error.',
}

const NO_TUNNEL: Row = {
  detail: () => `The server in HTTPS_PROXY does not open tunnels`,
  remedy:
    'Check that HTTPS_PROXY names a forward proxy that allows CONNECT to port 443, not a web server.',
}

const NO_HTTP: Row = {
  detail: () => `The server in HTTPS_PROXY does not answer CONNECT with HTTP`,
  remedy:
    'Check that HTTPS_PROXY has the right host and port, and https:// if the proxy itself requires TLS.',
}

const BROKEN_OFF: Row = {
  detail: () => `${THE_PROXY} closes the connection without an answer to CONNECT`,
  remedy:
    'Check the log of the proxy: it may not allow this machine or this host. Write https:// in HTTPS_PROXY if the proxy itself requires TLS.',
}

/** Time-outs. */
const LATE: Readonly<Record<Place | HostPlace, Row>> = {
  proxy_resolve: {
    detail: () => 'The name of the proxy (HTTPS_PROXY) did not resolve in time',
    remedy: 'Check the DNS of this machine.',
  },
  proxy_connect: {
    detail: () => `${THE_PROXY} did not accept the connection in time`,
    remedy: PLACES.proxy_connect.remedy,
  },
  proxy_tls: {
    detail: () => `${THE_PROXY} did not complete the TLS handshake in time`,
    remedy: PLACES.proxy_tls.remedy,
  },
  proxy_tunnel: {
    detail: () => `${THE_PROXY} accepted the connection, but did not answer CONNECT in time`,
    remedy:
      'Check the proxy: it hangs, or it waits for its DNS or for the host. Nothing was sent to Salesforce.',
  },
  host_resolve: {
    detail: (host) => `${host} did not resolve in time`,
    remedy: 'Check the DNS of this machine.',
  },
  host_connect: {
    detail: (host) => `${host} did not accept the connection in time`,
    remedy: PLACES.host_connect.remedy,
  },
  host_tls: {
    detail: (host) =>
      `${host} accepted the connection, but did not complete the TLS handshake in time`,
    remedy: 'Check the firewall and the proxy, which may block TLS.',
  },
  host_http: {
    detail: (host) => `${host} received the request, but did not answer in time`,
    remedy: 'Wait as long as `Retry-After` says; see status.salesforce.com.',
  },
}

const LATE_CODES = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'])
const UNTRUSTED =
  /^(?:CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_|INVALID_|PATH_)|ALTNAME/

/** `host` is the target of the call. */
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
    `The TLS handshake with ${host} failed: the connection was closed, or another server answers`,
  remedy: PLACES.host_tls.remedy,
}

function rowOfStatus(status: number): Row {
  const known = STATUSES[status]
  if (known) return known
  if (status >= 500 && status !== 501) return NO_WAY
  return status === 429 ? PLACES.proxy_tunnel : NO_TUNNEL
}
