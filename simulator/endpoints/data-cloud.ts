import { type Answer, jsonAnswer } from '../answer.ts'
import { DATA_CLOUD_SECONDS } from '../data-cloud.ts'
import { bearerToken, type Exchange } from '../exchange.ts'
import { type RefusalName, Refused } from '../refusals.ts'
import type { World } from '../world.ts'
import { errorMembers } from './token.ts'

const GRANT_TYPE = 'urn:salesforce:grant-type:external:cdp'
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** `POST /services/a360/token`: exchanges the token of an org for a Data Cloud token. The texts of its refusals are not documented. */
export function answerDataCloudToken(exchange: Exchange, world: World): Answer {
  try {
    const { form, role, method, origins } = exchange
    if (method !== 'POST') throw new Refused('post_required')
    if (form?.get('grant_type') !== GRANT_TYPE) throw new Refused('grant_not_supported')
    exchange.identify({ grant: GRANT_TYPE })
    if (form.get('subject_token_type') !== TOKEN_TYPE) throw refused()
    const session = world.sessions.find(form.get('subject_token') ?? '')
    if (session === undefined || role.kind !== 'my_domain' || role.org.id !== session.orgId) {
      throw refused()
    }
    const { orgId, userId, clientId, scopes } = session
    exchange.identify({ orgId, userId, clientId })
    if (!scopes.includes('cdp_api')) throw new Refused('no_valid_scopes')
    const { token } = world.dataCloud.issue({ orgId, userId, dataspace: form.get('dataspace') })
    return jsonAnswer(200, {
      access_token: token,
      instance_url: tenantOf(origins.myDomain(role.org), role.org.myDomain),
      token_type: 'Bearer',
      issued_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      expires_in: DATA_CLOUD_SECONDS,
    })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return jsonAnswer(400, errorMembers(error.refusal))
  }
}

const refused = () => new Refused('subject_token_invalid' satisfies RefusalName)

/** The real name without a scheme, as observed. On loopback, the address of the org. */
const tenantOf = (origin: string, name: string): string =>
  origin.includes('.salesforce.com') ? `${name}.c360a.salesforce.com` : origin

/** `GET /api/v1/metadata` of a tenant: a minimal API that uses a token. */
export function answerDataCloudApi(exchange: Exchange, world: World): Answer {
  const found = world.dataCloud.find(bearerToken(exchange) ?? '')
  if (found === undefined) return jsonAnswer(401, { error: 'invalid_token' })
  return jsonAnswer(200, { metadata: [] })
}
