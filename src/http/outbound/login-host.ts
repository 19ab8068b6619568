import { BrokerError } from '../../errors/errors.ts'
import { likelyLoginUrl } from './likely-login-url.ts'

/**
 * The rules on hosts: where a login URL may point, and where an answer may send callers with their
 * tokens. Pure: names are judged here, the addresses behind them when a connection is made.
 */
export interface HostRules {
  /**
   * The login URL in normal form: its origin, or its origin and path on `*.my.site.com` and on hosts
   * that `VALETKEY_LOGIN_HOSTS` names (sites below a path of a custom domain); no trailing slash. Throws `request_invalid` with the rule that it breaks, and the login URL that
   * it probably means.
   */
  checkLoginUrl(text: string): string
  /** An `instance_url` in normal form: its origin, with the path of a site where it has one; no trailing slash. Undefined: callers must not be sent there. */
  checkInstanceUrl(text: string): string | undefined
  /** Whether the host is one of Salesforce's own login hosts, and not merely listed. */
  isSalesforceOwn(host: string): boolean
  /** Whether exactly this scheme, host and port was listed as loopback. */
  allowsPrivate(url: URL): boolean
  /** Those that were. */
  readonly loopbackOrigins: readonly string[]
}

const LOGIN_HOSTS = [
  'login.salesforce.com',
  'test.salesforce.com',
  '*.my.salesforce.com',
  '*.my.site.com',
  '*.my.salesforce.mil',
  // Salesforce on Alibaba Cloud (China).
  '*.my.sfcrmproducts.cn',
]
const INSTANCE_HOSTS = [
  '*.salesforce.com',
  '*.force.com',
  '*.salesforce.mil',
  '*.my.site.com',
  '*.my.sfcrmproducts.cn',
]
const SITE_HOST = '*.my.site.com'

const LONGEST_URL = 512
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
/** The last label starts with a letter, so that no spelling of an IPv4 address passes as a name. */
const HOST_NAME = new RegExp(`^(?=.{1,253}$)(?:${LABEL}\\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
const WRITTEN_URL = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(\/[^?#]*)?$/i
const SITE_PATH = /^(?:\/[A-Za-z0-9_-]+)+$/

interface WrittenUrl {
  readonly url: URL
  readonly host: string
  readonly hasPort: boolean
  /** Without trailing slash; empty for the root. */
  readonly path: string
}

/**
 * Builds the rules from the entries of `VALETKEY_LOGIN_HOSTS`. Throws where
 * {@link loginHostMistakes} reports anything: check the setting with it first.
 */
export function createHostRules(entries: readonly string[]): HostRules {
  const mistakes = loginHostMistakes(entries)
  if (mistakes.length > 0) throw new Error(mistakes.join('; '))
  const listed = entries.filter((entry) => !entry.includes('://')).map((e) => e.toLowerCase())
  const loopback = new Set(entries.flatMap((entry) => loopbackOrigin(entry) ?? []))

  /** The normal form; or, in words, the rule that is broken. */
  const judged = (text: string): { readonly url: string } | { readonly broken: string } => {
    const written = readUrl(text)
    if (typeof written === 'string') return { broken: written }
    const { url, host, path } = written
    const ofSitesOnly =
      'may have a path on *.my.site.com, and on hosts that VALETKEY_LOGIN_HOSTS names, only'
    if (loopback.has(url.origin)) return path === '' ? { url: url.origin } : { broken: ofSitesOnly }
    const broken = whyNotPublicHttps(written)
    if (broken !== undefined) return { broken }
    if (![...LOGIN_HOSTS, ...listed].some((pattern) => matches(pattern, host))) {
      return {
        broken: `must name one of ${LOGIN_HOSTS.join(', ')}, or a host listed in VALETKEY_LOGIN_HOSTS`,
      }
    }
    if (path === '') return { url: url.origin }
    if (![SITE_HOST, ...listed].some((pattern) => matches(pattern, host))) {
      return { broken: ofSitesOnly }
    }
    if (!isSitePath(path)) {
      return { broken: 'has a path that is not one of a site: letters, digits, - and _ only' }
    }
    return { url: `${url.origin}${path}` }
  }

  /** What was probably meant, where that may be a login URL. */
  const likely = (text: string): string | undefined => {
    const candidate = likelyLoginUrl(text)
    const found = candidate === undefined ? undefined : judged(candidate)
    return found && 'url' in found ? found.url : undefined
  }

  return {
    checkLoginUrl(text) {
      const found = judged(text)
      if ('url' in found) return found.url
      throw brokenLoginUrl(found.broken, likely(text))
    },
    checkInstanceUrl(text) {
      const written = readUrl(text)
      if (typeof written === 'string') return undefined
      const { url, host, path } = written
      if (path !== '' && !isSitePath(path)) return undefined
      const normal = `${url.origin}${path}`
      if (loopback.has(url.origin)) return normal
      if (whyNotPublicHttps(written) !== undefined) return undefined
      const isAllowed = [...INSTANCE_HOSTS, ...listed].some((pattern) => matches(pattern, host))
      return isAllowed ? normal : undefined
    },
    isSalesforceOwn(host) {
      return LOGIN_HOSTS.some((pattern) => matches(pattern, host.toLowerCase()))
    },
    allowsPrivate(url) {
      return loopback.has(url.origin)
    },
    loopbackOrigins: [...loopback],
  }
}

/** Not of an endpoint below a site. */
const isSitePath = (path: string): boolean => SITE_PATH.test(path) && !path.includes('/services/')

const WHERE = 'Setup → My Domain → Current My Domain URL'

function brokenLoginUrl(rule: string, meant: string | undefined): BrokerError {
  if (meant === undefined) {
    const remedy = `Set login_url to the My Domain URL of the org: ${WHERE}.`
    return new BrokerError('request_invalid', `login_url ${rule}`, { remedy })
  }
  return new BrokerError('request_invalid', `login_url ${rule}; it probably means ${meant}`, {
    remedy: `Set login_url to ${meant}, if that is what ${WHERE} shows.`,
  })
}

/** Hosts that log in for every org, each with the form of the host that an org has to itself. */
const COMMON_HOSTS: Readonly<Record<string, string>> = {
  'login.salesforce.com': 'https://YOURDOMAIN.my.salesforce.com',
  'test.salesforce.com': 'https://YOURDOMAIN--SANDBOX.sandbox.my.salesforce.com',
}

/** Undefined: it is the login URL of one org. */
export function commonLoginHostOf(
  loginUrl: string,
): { readonly host: string; readonly myDomain: string } | undefined {
  const { hostname: host } = new URL(loginUrl)
  const myDomain = Object.hasOwn(COMMON_HOSTS, host) ? COMMON_HOSTS[host] : undefined
  return myDomain === undefined ? undefined : { host, myDomain }
}

/** What is wrong with entries of `VALETKEY_LOGIN_HOSTS`, one sentence each; empty when all are good. */
export function loginHostMistakes(entries: readonly string[]): string[] {
  return entries.flatMap((entry) => {
    if (entry.includes('://')) {
      return loopbackOrigin(entry) === undefined
        ? [`${quoted(entry)}: an entry with a scheme must be http://127.0.0.1:PORT (loopback only)`]
        : []
    }
    const name = entry.toLowerCase().replace(/^\*\./, '')
    const isGood = HOST_NAME.test(name) && (name.includes('.') || !entry.startsWith('*'))
    return isGood ? [] : [`${quoted(entry)}: must be a host name, *.NAME, or http://127.0.0.1:PORT`]
  })
}

/** `*.` stands for one or more labels; anything else is the host itself. */
function matches(pattern: string, host: string): boolean {
  if (!pattern.startsWith('*.')) return host === pattern
  return host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
}

function loopbackOrigin(entry: string): string | undefined {
  const written = readUrl(entry)
  if (typeof written === 'string' || written.path !== '') return undefined
  const { host } = written
  const isLoopback =
    host === 'localhost' || host === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(host)
  return isLoopback ? written.url.origin : undefined
}

/**
 * Reads a URL that is written plainly, or says which rule it breaks. The text is parsed once, by
 * the WHATWG parser; what that parser would repair (backslashes, `%2e`, `0x7f.1`, a full-width dot)
 * is refused, so that nobody reads another host than the one that is called.
 */
function readUrl(text: string): WrittenUrl | string {
  if (text.length > LONGEST_URL) return `may have at most ${LONGEST_URL} characters`
  if (!/^[!-~]+$/.test(text) || /[\\%]/.test(text)) {
    return 'may have plain ASCII characters only, without spaces, backslashes or percent signs'
  }
  if (!URL.canParse(text)) return 'must be a URL like https://acme.my.salesforce.com'
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be https'
  if (text.includes('@')) return 'must not have a user name or password'
  if (/[?#]/.test(text)) return 'must not have a query or fragment'
  const [, , host, port, path = ''] = WRITTEN_URL.exec(text) ?? []
  if (host === undefined) return 'must be written like https://acme.my.salesforce.com'
  if (host.endsWith('.')) return 'must not end its host with a dot'
  if (url.hostname !== host.toLowerCase()) return 'must write its host in the usual form'
  const trimmed = path.replace(/\/$/, '')
  if ((url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')) !== trimmed) {
    return 'must not have dot segments in its path'
  }
  return { url, host: url.hostname, hasPort: port !== undefined, path: trimmed }
}

function whyNotPublicHttps({ url, host, hasPort }: WrittenUrl): string | undefined {
  if (url.protocol !== 'https:') {
    return 'must be https; plain http is for the loopback entries of VALETKEY_LOGIN_HOSTS'
  }
  if (hasPort) return 'must not have a port'
  if (!HOST_NAME.test(host)) return 'must name a host, and not an IP address'
  return undefined
}

function quoted(entry: string): string {
  return JSON.stringify(entry.slice(0, 100))
}
