import { type Answer, jsonAnswer } from '../answer.ts'
import type { Client } from '../apps.ts'
import { authenticateClient } from '../client.ts'
import type { Exchange } from '../exchange.ts'
import { Refused } from '../refusals.ts'
import { expiresAt } from '../sessions.ts'
import type { World } from '../world.ts'
import { errorMembers } from './token.ts'

/** `POST /services/oauth2/introspect`: an app introspects its own tokens, or with permission any token of its org. */
export function answerIntrospect(exchange: Exchange, world: World): Answer {
  try {
    const client = authenticateClient(exchange, world)
    const token = exchange.form?.get('token') ?? ''
    const claims =
      accessTokenClaims(token, client, exchange, world) ??
      refreshTokenClaims(token, client, exchange, world)
    return jsonAnswer(200, claims ?? { active: false })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return jsonAnswer(401, errorMembers(error.refusal))
  }
}

function accessTokenClaims(token: string, client: Client, exchange: Exchange, world: World) {
  const session = world.sessions.find(token)
  if (session === undefined || !mayAsk(client, session)) return undefined
  if (world.settings().introspectSlides) world.sessions.touch(token)
  const current = world.sessions.find(token) ?? session
  return {
    ...commonClaims(session, session.clientId, exchange, world),
    token_type: 'access_token',
    ...(session.jkt !== undefined && { cnf: { jkt: session.jkt } }),
    exp: Math.floor(expiresAt(current) / 1000),
  }
}

function refreshTokenClaims(token: string, client: Client, exchange: Exchange, world: World) {
  const found = world.refreshTokens.find(token)
  if (found?.state !== 'current' || !mayAsk(client, found)) return undefined
  const idleMs = client.configuration.refreshTokenIdleMs
  if (idleMs !== null && world.clock.now() - found.usedAt > idleMs) return undefined
  return {
    ...commonClaims(found, client.clientId, exchange, world),
    token_type: 'refresh_token',
    ...(idleMs === null ? {} : { exp: Math.floor((found.usedAt + idleMs) / 1000) }),
  }
}

interface About {
  readonly orgId: string
  readonly userId: string
  readonly appId: string
  readonly scopes: readonly string[]
  readonly createdAt: number
}

function mayAsk({ app, configuration }: Client, { appId, orgId }: About): boolean {
  return appId === app.id || (configuration.introspectAllTokens && orgId === app.orgId)
}

function commonClaims(about: About, clientId: string, { origins }: Exchange, world: World) {
  const org = world.directory.org(about.orgId)
  const user = world.directory.user(about.userId)
  const iat = Math.floor(about.createdAt / 1000)
  return {
    active: true,
    scope: about.scopes.join(' '),
    client_id: clientId,
    username: user.username,
    sub: `${origins.loginOf(org)}/id/${org.id}/${user.id}`,
    iat,
    nbf: iat,
  }
}
