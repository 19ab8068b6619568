import { type Answer, jsonAnswer } from '../answer.ts'
import { bearerToken, type Exchange } from '../exchange.ts'
import type { World } from '../world.ts'

/** A little of the REST API, enough to use a token: versions, resources, limits, a query. */
export function answerRest(exchange: Exchange, world: World): Answer {
  const [, , , version, resource, ...rest] = exchange.path.split('/')
  if (!version) return jsonAnswer(200, VERSIONS)
  const refusal = refuseToken(exchange, world)
  if (refusal !== undefined) return refusal
  if (!/^v\d{2}\.0$/.test(version) || rest.join('') !== '') return notFound()
  switch (resource) {
    case undefined:
    case '':
      return jsonAnswer(200, resourcesOf(version))
    case 'limits':
      return jsonAnswer(200, LIMITS)
    case 'query':
      return jsonAnswer(200, { totalSize: 0, done: true, records: [] })
    default:
      return notFound()
  }
}

const VERSIONS = [63, 64, 65, 66].map((number) => ({
  label: `Version ${number}`,
  url: `/services/data/v${number}.0`,
  version: `${number}.0`,
}))

const LIMITS = {
  DailyApiRequests: { Max: 100_000, Remaining: 99_998 },
  DailyBulkApiBatches: { Max: 15_000, Remaining: 15_000 },
  SingleEmail: { Max: 5_000, Remaining: 5_000 },
}

function resourcesOf(version: string) {
  const root = `/services/data/${version}`
  return { limits: `${root}/limits`, query: `${root}/query`, sobjects: `${root}/sobjects` }
}

/** A dead token and the wrong instance get the very same answer. */
export function refuseToken(exchange: Exchange, world: World): Answer | undefined {
  if (exchange.headers.authorization === undefined) {
    return restError(401, 'INVALID_AUTH_HEADER', 'INVALID_HEADER_TYPE')
  }
  const token = bearerToken(exchange) ?? ''
  const session = world.sessions.find(token)
  const { role } = exchange
  const isHome = role.kind === 'my_domain' && role.org.id === session?.orgId
  if (session === undefined || !isHome) {
    return restError(401, 'INVALID_SESSION_ID', 'Session expired or invalid')
  }
  const { orgId, userId, clientId } = session
  const { username } = world.directory.user(userId)
  exchange.identify({ orgId, userId, username, clientId })
  const hasScope = session.scopes.includes('api') || session.scopes.includes('full')
  const configuration = world.apps.find(clientId)?.configuration.at(exchange.node)
  if (!hasScope || configuration?.restApiAllowed === false) {
    return restError(
      401,
      'INVALID_SESSION_ID',
      'This session is not valid for use with the REST API',
    )
  }
  world.sessions.touch(token)
  return undefined
}

function notFound(): Answer {
  return restError(404, 'NOT_FOUND', 'The requested resource does not exist')
}

export function restError(status: number, errorCode: string, message: string): Answer {
  return jsonAnswer(status, [{ message, errorCode }])
}
