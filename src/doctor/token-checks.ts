/** Checks of a token: scopes, a REST call, introspection. */
import { BrokerError } from '../errors/errors.ts'
import type { GrantContext } from '../grants/grant.ts'
import { grantOf } from '../grants/index.ts'
import type { Integration } from '../integrations/integration.ts'
import { within } from '../runtime/timeout.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { contextAt, type Signer } from '../tokens/serve/token-request.ts'
import { type DiagnosisCheck, failed, failedAtRest, failedBy, passed, warned } from './check.ts'
import { checkPermissions, lookAtPermissions } from './permission-check.ts'
import { CHECK_MS, tooSlow } from './time-limit.ts'

interface HeldToken {
  readonly integration: Integration
  readonly signer: Signer
  readonly lease: Lease
}

/** Runs all checks in parallel, each with its own limit. */
export async function checkToken(
  held: HeldToken,
  grants: GrantContext,
): Promise<readonly DiagnosisCheck[]> {
  const [instance, introspection] = await Promise.all([
    checkInstance(held, grants),
    checkIntrospection(held, grants),
  ])
  return [...checkScopes(held), ...instance, ...introspection]
}

const scopesIn = (scope: string): ReadonlySet<string> =>
  new Set(scope.split(' ').filter((one) => one !== ''))

/** Scopes from Salesforce's discovery document. Other texts of an answer are not repeated. */
const SCOPES = new Set(
  `api cdp_api cdp_calculated_insight_api cdp_identityresolution_api cdp_ingest_api cdp_profile_api
  cdp_query_api cdp_segment_api chatbot_api chatter_api content custom_permissions eclair_api
  einstein_gpt_api forgot_password full id interaction_api lightning offline_access openid pardot_api
  pwdless_login_api refresh_token sfap_api user_registration_api visualforce wave_api web`.split(
    /\s+/,
  ),
)

function shown(given: ReadonlySet<string>, expected: readonly string[]): string {
  const known = [...given].filter((one) => SCOPES.has(one) || expected.includes(one)).sort()
  const others = given.size - known.length
  return [...known, ...(others === 0 ? [] : [`and ${others} more`])].join(' ')
}

/** The expected scopes of an integration, if it lists them, state whether it needs the REST API. */
const needsApi = (integration: Integration): boolean => expectedScopes(integration).includes('api')

const opensRestApi = ({ grant }: Integration): boolean =>
  grantOf(grant.type).opensRestApi?.(grant) ?? true

const expectedScopes = (integration: Integration): readonly string[] =>
  integration.identity.expect?.scopes ?? (opensRestApi(integration) ? ['api'] : [])

function checkScopes({ integration, lease }: Pick<HeldToken, 'integration' | 'lease'>) {
  if (lease.scope === undefined) {
    return [passed('scopes', 'Salesforce does not state the scopes of the token.')]
  }
  const given = scopesIn(lease.scope)
  const isFull = given.has('full')
  const expected = expectedScopes(integration)
  const has = shown(given, expected)
  const missing = expected.filter((one) => !given.has(one) && !(one === 'api' && isFull))
  const checks: DiagnosisCheck[] = [
    missing.length === 0
      ? passed('scopes', `The token has: ${has}.`)
      : failed(
          'scopes',
          `The token lacks: ${missing.join(' ')}. It has: ${has}.`,
          'Add the scopes to the app (Settings → OAuth Settings → OAuth Scopes), wait up to 10 minutes, and revoke the token, because Salesforce issues the same one until then; or set identity.expect.scopes to the scopes that you need.',
        ),
  ]
  if (isFull) {
    checks.push(
      warned(
        'scope_full',
        'The token has the scope full: every holder has all permissions of its user.',
        'Remove full from the scopes of the app, and tick those that are needed: api is usually sufficient.',
      ),
    )
  }
  return checks
}

async function checkInstance({ integration, lease }: HeldToken, { endpoint }: GrantContext) {
  const { instanceUrl, accessToken, dpop } = lease
  const caller = { instanceUrl, accessToken, dpopKey: dpop?.key }
  const { host } = new URL(instanceUrl)
  if (!opensRestApi(integration)) {
    return [
      passed(
        'instance_url',
        `The token is valid at ${host}, but not for the REST API, so it was not tried.`,
      ),
    ]
  }
  const probe = (signal: AbortSignal) => endpoint.probe({ ...caller, signal })
  try {
    const [result, seen] = await Promise.all([
      within(CHECK_MS, probe, { late: tooSlow }),
      lookAtPermissions(caller, endpoint),
    ])
    if (result.verdict === 'no_api' && !needsApi(integration)) {
      return [passed('instance_url', `${host} knows the session; the REST API is not expected.`)]
    }
    const instance =
      result.verdict === 'live'
        ? passed('instance_url', `${host} accepts the token.`)
        : failedAtRest('instance_url', host, result.refusal)
    return [instance, ...checkPermissions(integration, seen, result)]
  } catch (error) {
    return [failedBy('instance_url', error)]
  }
}

async function checkIntrospection({ integration, signer, lease }: HeldToken, grants: GrantContext) {
  const { loginUrl, grant: settings } = integration
  const grant = grantOf(settings.type)
  const { introspect } = grant
  const { clientId, credential } = signer
  if (!introspect) return []
  const ask = (signal: AbortSignal) =>
    introspect(
      { loginUrl, settings, clientId, credential, signal },
      lease.accessToken,
      contextAt(grants, loginUrl, lease.dpop?.key),
    )
  try {
    const { active, expiresAt } = await within(CHECK_MS, ask, { late: tooSlow })
    if (!active) {
      return [
        failed(
          'introspection',
          'Salesforce states that the new token is not active.',
          'Test again. If the problem persists: check whether a policy of the org ends sessions immediately.',
        ),
      ]
    }
    const end = expiresAt === undefined ? '' : ` until ${new Date(expiresAt).toISOString()}`
    return [passed('introspection', `The token is active${end}.`)]
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    // An app without a secret or key cannot introspect.
    if (error.code === 'credential_required') return []
    return [
      warned(
        'introspection',
        `The token cannot be introspected: ${error.detail}`,
        'Without introspection, token_lifetime must state how long a session lasts; it must not exceed the time-out of the app.',
      ),
    ]
  }
}
