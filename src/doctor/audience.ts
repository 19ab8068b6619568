/** Other hosts and audiences that may fit an assertion. */

import type { GrantSettings } from '../grants/grant.ts'
import { defaultAudience, type JwtBearerSettings } from '../grants/jwt-bearer.ts'
import type { RefusalReason } from '../grants/refusals/refusal-table.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Way } from './check.ts'

const LOGIN = 'https://login.salesforce.com'
const TEST = 'https://test.salesforce.com'

/** These refusals mean that the host does not know the app; other refusals concern the audience or the user. */
const OF_THE_HOST: readonly RefusalReason[] = ['client_id_invalid', 'app_not_found']
const OF_THE_AUDIENCE: readonly RefusalReason[] = ['audience_invalid', 'user_not_approved']

/** Whether the audience or the host may cause the refusal. */
export const isAboutWay = (reason: RefusalReason): boolean =>
  [...OF_THE_HOST, ...OF_THE_AUDIENCE].includes(reason)

/** Undefined: the grant has no audience. */
export function wayOf(loginUrl: string, settings: GrantSettings): Way | undefined {
  if (settings.type !== 'jwt_bearer') return undefined
  const { audience } = settings as JwtBearerSettings
  return { loginUrl, audience: audience ?? defaultAudience(loginUrl) }
}

type Hosts = Pick<HostRules, 'isSalesforceOwn' | 'allowsPrivate' | 'loopbackOrigins'>

/**
 * The most likely alternative first. Only assertions are tried, and a loopback host only leads to
 * loopback hosts. A host that is not Salesforce's own receives only assertions for itself, because
 * it could present others to Salesforce.
 */
export function otherWays(tried: Way, reason: RefusalReason, hosts: Hosts): readonly Way[] {
  const { loginUrl, audience } = tried
  const url = new URL(loginUrl)
  const isKnown = hosts.isSalesforceOwn(url.hostname) || hosts.allowsPrivate(url)
  const here = (isKnown ? [LOGIN, TEST] : []).map((other) => ({ loginUrl, audience: other }))
  const elsewhere = otherHosts(loginUrl, audience, hosts)
  const ways = OF_THE_HOST.includes(reason) ? [...elsewhere, ...here] : [...here, ...elsewhere]
  const own = { loginUrl, audience: loginUrl }
  const isSame = (one: Way, other: Way) =>
    one.loginUrl === other.loginUrl && one.audience === other.audience
  return [...ways, own].filter(
    (way, at, all) => !isSame(way, tried) && all.findIndex((one) => isSame(one, way)) === at,
  )
}

function otherHosts(loginUrl: string, audience: string, hosts: Hosts): readonly Way[] {
  const url = new URL(loginUrl)
  if (hosts.allowsPrivate(url)) {
    return hosts.loopbackOrigins
      .filter((origin) => origin !== url.origin)
      .map((origin) => ({ loginUrl: origin, audience }))
  }
  // The shared login hosts know production and sandboxes, but neither sites nor the government
  // cloud.
  const hasCommonHost =
    hosts.isSalesforceOwn(url.hostname) && url.hostname.endsWith('.salesforce.com')
  if (!hasCommonHost) return []
  const common = defaultAudience(loginUrl) === TEST ? [TEST, LOGIN] : [LOGIN, TEST]
  return common
    .filter((origin) => origin !== loginUrl)
    .map((origin) => ({ loginUrl: origin, audience: origin }))
}
