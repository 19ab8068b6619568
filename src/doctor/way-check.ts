/** After a refusal that may concern the audience or the host, finds the pair that works. */
import { BrokerError } from '../errors/errors.ts'
import type { GrantContext } from '../grants/grant.ts'
import { grantOf } from '../grants/index.ts'
import type { RefusalReason } from '../grants/refusals/refusal-table.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Integration } from '../integrations/integration.ts'
import { within } from '../runtime/timeout.ts'
import { contextAt, type Signer } from '../tokens/serve/token-request.ts'
import { isAboutWay, otherWays, wayOf } from './audience.ts'
import { type DiagnosisCheck, failed, passed, type Way } from './check.ts'
import { CHECK_MS, tooSlow } from './time-limit.ts'

interface WayCheckDependencies {
  readonly grants: GrantContext
  readonly hosts: Pick<HostRules, 'isSalesforceOwn' | 'allowsPrivate' | 'loopbackOrigins'>
}

/** Empty if the refusal has another cause. Each pair uses one login. */
export async function checkOtherWays(
  integration: Integration,
  signer: Signer,
  error: unknown,
  charge: () => Promise<void>,
  { grants, hosts }: WayCheckDependencies,
): Promise<readonly DiagnosisCheck[]> {
  const tried = wayOf(integration.loginUrl, integration.grant)
  const reason = refusalOf(error)?.reason
  if (!tried || reason === undefined || !isAboutWay(reason)) return []
  const find = async (signal: AbortSignal): Promise<Way | undefined> => {
    for (const way of otherWays(tried, reason, hosts)) {
      await charge()
      if (await works(integration, signer, way, grants, signal)) return way
      if (signal.aborted) return undefined
    }
    return undefined
  }
  try {
    const way = await within(CHECK_MS, find, { late: tooSlow })
    return [way ? otherWay(tried, way) : noOtherWay(tried, reason)]
  } catch (trouble) {
    // The limit of logins or of time is reached.
    if (trouble instanceof BrokerError) return [noOtherWay(tried, reason)]
    throw trouble
  }
}

/** Discards the token: only the success matters. */
async function works(
  { grant: settings }: Integration,
  signer: Signer,
  { loginUrl, audience }: Way,
  grants: GrantContext,
  signal: AbortSignal,
): Promise<boolean> {
  const grant = grantOf(settings.type)
  const { dpopKey, ...client } = signer
  const request = { loginUrl, settings: { ...settings, audience }, ...client, signal }
  try {
    await grant.request(request, contextAt(grants, loginUrl, dpopKey))
    return true
  } catch (error) {
    if (error instanceof BrokerError) return false
    throw error
  }
}

function otherWay(tried: Way, way: Way): DiagnosisCheck {
  const changes = [
    ...(way.loginUrl === tried.loginUrl ? [] : [`login_url to ${way.loginUrl}`]),
    ...(way.audience === tried.audience ? [] : [`grant.audience to ${way.audience}`]),
  ]
  return {
    ...failed(
      'audience',
      `Salesforce refuses ${tried.audience} at ${tried.loginUrl}, and issues a token for ${way.audience} at ${way.loginUrl}.`,
      `Set ${changes.join(' and ')}, if that is the intended org.`,
    ),
    works: way,
  }
}

function noOtherWay({ audience, loginUrl }: Way, reason: RefusalReason): DiagnosisCheck {
  const detail = `The other audiences and hosts that were tried do not work either.`
  return reason === 'audience_invalid'
    ? failed(
        'audience',
        `Salesforce refuses ${audience} at ${loginUrl}. ${detail}`,
        'Compare login_url with the org. For a site, set grant.audience to its URL.',
      )
    : passed('audience', `${detail} So the refusal has another cause.`)
}
