import { type Answer, jsonAnswer, textAnswer } from '../answer.ts'
import { refusalOfProof } from '../dpop.ts'
import { bearerToken, type Exchange, provenToken } from '../exchange.ts'
import type { Session } from '../sessions.ts'
import type { World } from '../world.ts'

/** The identity of a token: `/services/oauth2/userinfo` and the identity URL `/id/ORG/USER`. */
export function answerUserinfo(exchange: Exchange, world: World): Answer {
  const session = liveSession(exchange, world)
  if (session === undefined) return textAnswer(403, 'Bad_OAuth_Token')
  const { org, user, identityUrl } = facts(session, exchange, world)
  return jsonAnswer(200, {
    sub: identityUrl,
    user_id: user.id,
    organization_id: org.id,
    preferred_username: user.username,
    name: user.username,
    email: user.username,
    email_verified: true,
    zoneinfo: 'GMT',
    active: user.state === 'active',
    is_salesforce_integration_user: true,
    urls: urlsOf(exchange.origins.myDomain(org)),
  })
}

export function answerIdentity(exchange: Exchange, world: World): Answer {
  if ((provenToken(exchange) ?? bearerToken(exchange)) === undefined)
    return textAnswer(404, 'Missing_OAuth_Token')
  const session = liveSession(exchange, world)
  if (session === undefined) return textAnswer(403, 'Bad_OAuth_Token')
  const [, , orgId, userId] = exchange.path.split('/')
  if (session.orgId !== orgId || session.userId !== userId) return textAnswer(404, 'Bad_Id')
  const { org, user, identityUrl } = facts(session, exchange, world)
  return jsonAnswer(200, {
    id: identityUrl,
    asserted_user: true,
    user_id: user.id,
    organization_id: org.id,
    username: user.username,
    nick_name: user.username,
    display_name: user.username,
    email: user.username,
    active: user.state === 'active',
    user_type: 'STANDARD',
    urls: urlsOf(exchange.origins.myDomain(org)),
  })
}

/** The session of the token. This request also uses it. */
function liveSession(exchange: Exchange, world: World): Session | undefined {
  const proven = provenToken(exchange)
  const token = proven ?? bearerToken(exchange) ?? ''
  const session = world.sessions.find(token)
  const call = { isProven: proven !== undefined, token, proof: exchange.headers.dpop }
  if (!session || refusalOfProof(session, call, exchange, world)) return undefined
  world.sessions.touch(token)
  return session
}

function facts({ orgId, userId }: Session, { identify, origins }: Exchange, world: World) {
  const org = world.directory.org(orgId)
  const user = world.directory.user(userId)
  identify({ orgId, userId, username: user.username })
  return { org, user, identityUrl: `${origins.loginOf(org)}/id/${org.id}/${user.id}` }
}

function urlsOf(instanceUrl: string) {
  return {
    rest: `${instanceUrl}/services/data/v{version}/`,
    sobjects: `${instanceUrl}/services/data/v{version}/sobjects/`,
    query: `${instanceUrl}/services/data/v{version}/query/`,
  }
}
