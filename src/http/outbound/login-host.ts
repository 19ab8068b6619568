import { BrokerError } from '../../errors/errors.ts'
import { likelyLoginUrl } from './likely-login-url.ts'

/**
 * The allowed hosts of login URLs and of `instance_url`. Pure: this module checks names; the
 * connection checks addresses.
 */
export type HostRules = ReturnType<typeof createHostRules>

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
/** The last label starts with a letter, so that no form of an IPv4 address matches. */
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
 * Builds the rules from the entries of `VALETKEY_LOGIN_HOSTS`. Throws if {@link loginHostMistakes}
 * reports a mistake: check the setting first.
 */
export function createHostRules(entries: readonly string[]) {
  const mistakes = loginHostMistakes(entries)
  if (mistakes.length > 0) throw new Error(mistakes.join('; '))
  const listed = entries.filter((entry) => !entry.includes('://')).map((e) => e.toLowerCase())
  const loopback = new Set(entries.flatMap((entry) => loopbackOrigin(entry) ?? []))

  /** The normal form, or a description of the broken rule. */
  const judged = (text: string): { readonly url: string } | { readonly broken: string } => {
    const written = readUrl(text)
    if (typeof written === 'string') return { broken: written }
    const { url, host, path } = written
    const ofSitesOnly =
      'may have a path only on *.my.site.com and on hosts that VALETKEY_LOGIN_HOSTS names'
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
      return {
        broken: 'has a path that no site can have: only letters, digits, - and _ are allowed',
      }
    }
    return { url: `${url.origin}${path}` }
  }

  /** A suggestion, if it is a valid login URL. */
  const likely = (text: string): string | undefined => {
    const candidate = likelyLoginUrl(text)
    const found = candidate === undefined ? undefined : judged(candidate)
    return found && 'url' in found ? found.url : undefined
  }

  return {
    /**
     * Normalises a login URL: its origin, or origin and path on `*.my.site.com` and on hosts that
     * `VALETKEY_LOGIN_HOSTS` names (sites below a path of a custom domain); no trailing slash. Throws
     * `request_invalid` with the broken rule and a suggestion.
     */
    checkLoginUrl(text: string): string {
      const found = judged(text)
      if ('url' in found) return found.url
      throw brokenLoginUrl(found.broken, likely(text))
    },
    /** Normalises an `instance_url`: its origin, with the path of a site if present; no trailing slash. Undefined: callers must not send tokens there. */
    checkInstanceUrl(text: string): string | undefined {
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
    /** Whether the host is one of Salesforce's own login hosts, not only a listed host. */
    isSalesforceOwn(host: string): boolean {
      return LOGIN_HOSTS.some((pattern) => matches(pattern, host.toLowerCase()))
    },
    /** Whether exactly this scheme, host and port is listed as loopback. */
    allowsPrivate(url: URL): boolean {
      return loopback.has(url.origin)
    },
    loopbackOrigins: [...loopback],
  }
}

/** Excludes endpoints below a site. */
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

/** Shared login hosts, each with the form of an org's own host. */
const COMMON_HOSTS: Readonly<Record<string, string>> = {
  'login.salesforce.com': 'https://YOURDOMAIN.my.salesforce.com',
  'test.salesforce.com': 'https://YOURDOMAIN--SANDBOX.sandbox.my.salesforce.com',
}

/** Undefined if the URL belongs to one org. */
export function commonLoginHostOf(
  loginUrl: string,
): { readonly host: string; readonly myDomain: string } | undefined {
  const { hostname: host } = new URL(loginUrl)
  const myDomain = Object.hasOwn(COMMON_HOSTS, host) ? COMMON_HOSTS[host] : undefined
  return myDomain === undefined ? undefined : { host, myDomain }
}

/** One sentence for each mistake in `VALETKEY_LOGIN_HOSTS`; empty if there is none. */
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

/** `*.` stands for one or more labels; any other pattern is an exact host. */
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
 * Parses a URL, or returns the broken rule. Refuses everything that the WHATWG parser would repair
 * (backslashes, `%2e`, `0x7f.1`, a full-width dot), so that the text shows the host that is called.
 */
function readUrl(text: string): WrittenUrl | string {
  if (text.length > LONGEST_URL) return `may have at most ${LONGEST_URL} characters`
  if (!/^[!-~]+$/.test(text) || /[\\%]/.test(text)) {
    return 'may have only ASCII characters, without spaces, backslashes and percent signs'
  }
  if (!URL.canParse(text)) return 'must be a URL like https://acme.my.salesforce.com'
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be https'
  if (text.includes('@')) return 'must not have a user name or password'
  if (/[?#]/.test(text)) return 'must not have a query or fragment'
  const [, , host, port, path = ''] = WRITTEN_URL.exec(text) ?? []
  if (host === undefined) return 'must be written like https://acme.my.salesforce.com'
  if (host.endsWith('.')) return 'must not end its host with a dot'
  if (url.hostname !== host.toLowerCase()) return 'must have its host in normal form'
  const trimmed = path.replace(/\/$/, '')
  if ((url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')) !== trimmed) {
    return 'must not have dot segments in its path'
  }
  return { url, host: url.hostname, hasPort: port !== undefined, path: trimmed }
}

function whyNotPublicHttps({ url, host, hasPort }: WrittenUrl): string | undefined {
  if (url.protocol !== 'https:') {
    return 'must be https; plain http is allowed only for loopback entries of VALETKEY_LOGIN_HOSTS'
  }
  if (hasPort) return 'must not have a port'
  if (!HOST_NAME.test(host)) return 'must name a host, not an IP address'
  return undefined
}

function quoted(entry: string): string {
  return JSON.stringify(entry.slice(0, 100))
}
