import { createHmac } from 'node:crypto'
import { type Answer, formAnswer, jsonAnswer, xmlAnswer } from '../answer.ts'
import { currentPair } from '../apps.ts'
import { deviceRequest, isDeviceRequest } from '../device-request.ts'
import { keyToBind, nextNonce, takeTokenProof } from '../dpop.ts'
import type { Exchange } from '../exchange.ts'
import type { Granted } from '../grants/grant.ts'
import { GRANTS } from '../grants/index.ts'
import { newAccessToken } from '../identifiers.ts'
import { REFUSALS, type RefusalName, Refused } from '../refusals.ts'
import { expiresAt, type Session } from '../sessions.ts'
import type { World } from '../world.ts'

/** `POST /services/oauth2/token`: finds the grant, opens the session, and writes Login History. */
export async function answerToken(exchange: Exchange, world: World): Promise<Answer> {
  const answer = await answerWithout(exchange, world)
  const nonce = nextNonce(exchange, world)
  return nonce === undefined
    ? answer
    : { ...answer, headers: { ...answer.headers, 'dpop-nonce': nonce } }
}

/** Without the nonce for the next proof. */
async function answerWithout(exchange: Exchange, world: World): Promise<Answer> {
  try {
    await takeProof(exchange, world)
    if (isDeviceRequest(exchange)) {
      return inFormat(exchange, 200, deviceRequest(exchange, world))
    }
    const granted = withKey(await grantToken(exchange, world), exchange, world)
    // The session and its answer use the same time, because a second reading may be a second later.
    const now = world.clock.now()
    const session = openSession(granted, exchange, world, now)
    recordLogin(exchange, world, 'Success')
    return inFormat(exchange, 200, success(granted, session, exchange, world, now))
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    recordLogin(exchange, world, REFUSALS[error.refusal].loginStatus)
    return inFormat(exchange, 400, errorMembers(error.refusal))
  }
}

export function errorMembers(refusal: RefusalName): Readonly<Record<string, string>> {
  const { error, errorDescription } = REFUSALS[refusal]
  return { error, error_description: errorDescription }
}

/** A late challenge comes after the assertion was looked at. */
async function takeProof(exchange: Exchange, world: World): Promise<void> {
  try {
    takeTokenProof(exchange, world)
  } catch (error) {
    const isSigned = exchange.form?.has('assertion') || exchange.form?.has('client_assertion')
    if (isSigned && world.settings().dpop.challengesLate) await grantToken(exchange, world)
    throw error
  }
}

async function grantToken(exchange: Exchange, world: World): Promise<Granted> {
  const isPlain = exchange.origins.login().startsWith('http:')
  if (isPlain && world.settings().httpsOnly) throw new Refused('https_required')
  if (exchange.method !== 'POST') throw new Refused('post_required')
  const type = exchange.form?.get('grant_type')
  const grant = GRANTS.find((one) => one.type === type)
  if (grant === undefined) throw new Refused('grant_not_supported')
  exchange.identify({ grant: grant.type })
  if (exchange.form?.has('scope') && !grant.takesScope) throw new Refused('scope_not_supported')
  return grant.grant(exchange, world)
}

/** An app that requires DPoP gets no token without a key. */
function withKey(granted: Granted, exchange: Exchange, world: World): Granted {
  const { grant: type = '' } = exchange.identified()
  const jkt = granted.jkt ?? keyToBind(type, exchange, world)
  if (jkt === undefined && granted.client.configuration.dpopRequired) {
    throw new Refused('dpop_proof_missing')
  }
  return { ...granted, jkt }
}

function openSession(granted: Granted, exchange: Exchange, world: World, now: number): Session {
  const { client, user, scopes, familyId, isAsset = false, jkt } = granted
  const { app, org, clientId, configuration } = client
  const timeoutMs = configuration.sessionTimeoutMs ?? world.settings().sessionTimeoutMs
  const jwt = () =>
    world.tokenKeys.newJwt({
      ...{ org, user, app, clientId, scopes, issuedAt: now },
      myDomain: exchange.origins.myDomain(org),
      expiresAt: now + timeoutMs,
    })
  const isJwt = configuration.jwtAccessTokens || isAsset
  return world.sessions.open({
    ...{ now, org, user, app, clientId, scopes, timeoutMs, jkt },
    ...(familyId === undefined ? {} : { familyId }),
    newToken: isJwt ? jwt : () => newAccessToken(org.id),
    slides: !isJwt,
    sourceIp: exchange.remoteAddress,
  })
}

function success(
  granted: Granted,
  session: Session,
  exchange: Exchange,
  world: World,
  now: number,
) {
  const { client, user, scopes, signed, refreshToken, isAsset } = granted
  const { expiresIn, apiInstanceUrl, communityFields } = world.settings()
  const { origins, role } = exchange
  const id = `${origins.loginOf(client.org)}/id/${client.org.id}/${user.id}`
  const leftSeconds = Math.floor((expiresAt(session) - now) / 1000)
  const site = origins.site(client.org)
  const community = { url: site, id: `0DB${client.org.id.slice(3)}` }
  return {
    access_token: session.token,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    ...(signed ? signatureOf(id, String(now), currentPair(client.configuration).clientSecret) : {}),
    scope: scopes.join(' '),
    ...(isAsset ? {} : { instance_url: origins.myDomain(client.org) }),
    id,
    token_type: session.jkt === undefined ? 'Bearer' : world.settings().dpop.tokenType,
    ...uiSessionOf(granted, session, exchange, world, now),
    ...(expiresIn === 'absent'
      ? {}
      : { expires_in: expiresIn === 'session' ? leftSeconds : expiresIn }),
    ...(apiInstanceUrl === null ? {} : { api_instance_url: apiInstanceUrl }),
    ...(communityFields || role.kind === 'site'
      ? {
          sfdc_community_url: community.url,
          sfdc_community_id: community.id,
          sfdc_site_url: community.url,
          sfdc_site_id: community.id,
        }
      : {}),
  }
}

/** A session without a key, which answers of the web server flow have beside a bound token. */
function uiSessionOf(
  { client, user, scopes, familyId }: Granted,
  { jkt, timeoutMs }: Session,
  exchange: Exchange,
  world: World,
  now: number,
) {
  if (jkt === undefined || familyId === undefined || !world.settings().dpop.uiSid) return {}
  const { org, app, clientId } = client
  const { token } = world.sessions.open({
    ...{ now, org, user, app, clientId, scopes, timeoutMs },
    ...{ familyId: `ui of ${familyId}`, slides: true, sourceIp: exchange.remoteAddress },
    newToken: () => newAccessToken(org.id),
  })
  return { ui_sid: token }
}

/** Covers the identity URL and the time, but not the token or the instance. */
function signatureOf(id: string, issuedAt: string, clientSecret: string) {
  const signature = createHmac('sha256', clientSecret)
    .update(id + issuedAt)
    .digest('base64')
  return { signature, issued_at: issuedAt }
}

function recordLogin(exchange: Exchange, world: World, status: string): void {
  const { orgId, userId, username, app } = exchange.identified()
  if (orgId === undefined || userId === undefined || username === undefined) return
  const { remoteAddress: sourceIp } = exchange
  world.logins.record({ orgId, userId, username, application: app ?? '', sourceIp, status })
}

/** JSON, unless `format` or otherwise `Accept` requests another form. */
function inFormat(
  { form, headers }: Exchange,
  status: number,
  members: Readonly<Record<string, string | number>>,
): Answer {
  const accepted = headers.accept ?? ''
  const format = form?.get('format')
  if (format === 'urlencoded' || (!format && accepted === 'application/x-www-form-urlencoded')) {
    const texts = Object.entries(members).map(([name, value]) => [name, String(value)])
    return formAnswer(status, Object.fromEntries(texts))
  }
  if (format === 'xml' || (!format && accepted === 'application/xml')) {
    return xmlAnswer(status, members)
  }
  return jsonAnswer(status, members)
}
