/** Which other host, or which other audience, an assertion may be meant for. Pure. */

import type { GrantSettings } from '../grants/grant.ts'
import { defaultAudience, type JwtBearerSettings } from '../grants/jwt-bearer.ts'
import type { RefusalReason } from '../grants/refusals/refusal-table.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Way } from './check.ts'

const LOGIN = 'https://login.salesforce.com'
const TEST = 'https://test.salesforce.com'

/** These say that the host does not know the app; the others, that it does not know the audience or the user. */
const OF_THE_HOST: readonly RefusalReason[] = ['client_id_invalid', 'app_not_found']
const OF_THE_AUDIENCE: readonly RefusalReason[] = ['audience_invalid', 'user_not_approved']

/** Whether a refusal may be about the audience or the host. */
export const isAboutWay = (reason: RefusalReason): boolean =>
  [...OF_THE_HOST, ...OF_THE_AUDIENCE].includes(reason)

/** Undefined: the grant names no audience that could be another. */
export function wayOf(loginUrl: string, settings: GrantSettings): Way | undefined {
  if (settings.type !== 'jwt_bearer') return undefined
  const { audience } = settings as JwtBearerSettings
  return { loginUrl, audience: audience ?? defaultAudience(loginUrl) }
}

type Hosts = Pick<HostRules, 'isSalesforceOwn' | 'allowsPrivate' | 'loopbackOrigins'>

/**
 * The likeliest first. Only an assertion goes there; from a loopback host to loopback hosts alone.
 * A host that is not Salesforce's own sees no other audience than that of itself: with Salesforce's
 * it could turn to Salesforce in our name.
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
  // The common login hosts know production and sandboxes; neither sites nor the government cloud.
  const hasCommonHost =
    hosts.isSalesforceOwn(url.hostname) && url.hostname.endsWith('.salesforce.com')
  if (!hasCommonHost) return []
  const common = defaultAudience(loginUrl) === TEST ? [TEST, LOGIN] : [LOGIN, TEST]
  return common
    .filter((origin) => origin !== loginUrl)
    .map((origin) => ({ loginUrl: origin, audience: origin }))
}
