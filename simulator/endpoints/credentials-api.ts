import { type Answer, jsonAnswer } from '../answer.ts'
import { type App, currentPair, type StagedPair } from '../apps.ts'
import type { Exchange } from '../exchange.ts'
import { refuseRest, restError } from '../rest-refusals.ts'
import type { World } from '../world.ts'
import { refuseToken } from './rest-api.ts'

/** Keys and secrets of external client apps by REST (Connect REST API, OAuth credentials): reads, stages, rotates and deletes them. */
export function answerCredentials(exchange: Exchange, world: World): Answer {
  const refusal = refuseToken(exchange, world)
  if (refusal !== undefined) return refusal
  const { orgId = '', userId = '' } = exchange.identified()
  if (!world.directory.org(orgId).consumerSecretsByRest) {
    return restError(403, 'FUNCTIONALITY_NOT_ENABLED', 'This feature is not currently enabled.')
  }
  if (!world.directory.user(userId).mayStageCredentials) return refuseRest('forbidden')
  const apps = world.apps
    .all()
    .filter((app) => app.orgId === orgId && app.kind === 'external_client_app')
  const [, , , , , , resource, appId, consumerId, ...rest] = exchange.path.split('/')
  if (resource === 'usage') return get(exchange, { apps: apps.map(usageOf) })
  const app = apps.find(({ id }) => id === appId)
  if (resource !== 'credentials' || app === undefined) return notFound()
  const { clientId: key, clientSecret: secret } = currentPair(app.configuration.latest())
  const consumer = { id: app.consumerId, key, name: app.name }
  if (consumerId === undefined) return get(exchange, { consumers: [consumer] })
  if (consumerId !== app.consumerId) return notFound()
  if (rest.length > 0) return answerStaged(exchange, world, app, rest)
  const part = exchange.query.get('part') ?? 'key'
  return get(exchange, {
    ...(part.startsWith('key') && { key }),
    ...(part.endsWith('secret') && { secret }),
  })
}

function answerStaged(
  { method, body }: Exchange,
  { apps }: World,
  app: App,
  [staged, id, ...rest]: readonly string[],
): Answer {
  const { clientId } = currentPair(app.configuration.latest())
  const slot = apps.beside(clientId)
  if (staged !== 'staged' || rest.length > 0) return notFound()
  if (id === undefined) {
    if (method === 'GET') return jsonAnswer(200, { stagedCredentials: slot ? [shown(slot)] : [] })
    if (method !== 'POST') return notAllowed()
    if (slot !== undefined) {
      return restError(400, 'INVALID_INPUT', 'Staged credentials already exist for this consumer')
    }
    const { clientSecret } = apps.stage(clientId, { newKey: true, works: true })
    const made = apps.beside(clientId)
    return made === undefined
      ? notFound()
      : jsonAnswer(201, { ...shown(made), secret: clientSecret })
  }
  if (slot?.id !== id) return notFound()
  switch (method) {
    case 'GET':
      return jsonAnswer(200, shown(slot))
    case 'PATCH': {
      const { command } = JSON.parse(body.toString('utf8')) as { command?: string }
      if (command !== 'rotate' || slot.state !== 'active') {
        return restError(400, 'INVALID_INPUT', 'The staged credentials cannot be rotated')
      }
      apps.rotate(clientId)
      return jsonAnswer(200, {})
    }
    case 'DELETE':
      apps.unstage(clientId)
      return { status: 204, headers: {}, body: '' }
    default:
      return notAllowed()
  }
}

const usageOf = ({ id, apiName, name }: App) => ({
  identifier: id,
  developerName: apiName,
  label: name,
})

const shown = ({ id, clientId, state }: StagedPair) => ({ id, key: clientId, state })

const get = ({ method }: Exchange, value: object): Answer =>
  method === 'GET' ? jsonAnswer(200, value) : notAllowed()

const notFound = () => refuseRest('not_there')
const notAllowed = () =>
  restError(405, 'METHOD_NOT_ALLOWED', 'HTTP method is not allowed for this resource')
