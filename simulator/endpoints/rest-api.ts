import { type Answer, jsonAnswer } from '../answer.ts'
import { challenge, refusalOfProof, withNonce } from '../dpop.ts'
import { bearerToken, type Exchange, provenToken } from '../exchange.ts'
import { type RestRefusalName, refuseRest } from '../rest-refusals.ts'
import type { World } from '../world.ts'
import { answerQueryForm } from './query-forms.ts'

/** A minimal REST API that uses a token: versions, resources, limits, a query. */
export function answerRest(exchange: Exchange, world: World): Answer {
  // The path below the path of a site.
  const path = exchange.path.replace(/^\/[\w-]+(?=\/services\/)/, '')
  const [, , , version, resource, ...rest] = path.split('/')
  if (!version) return jsonAnswer(200, VERSIONS)
  const refusal = refuseToken(exchange, world)
  if (refusal !== undefined) return refusal
  if (!/^v\d{2}\.0$/.test(version)) return refuseRest('not_there')
  if (Number(version.slice(1, 3)) < OLDEST) return refuseRest('version_retired')
  if (resource === 'sobjects') return answerObject(exchange, world, rest.join('/'))
  if (rest.join('') !== '') return refuseRest('not_there')
  switch (resource) {
    case undefined:
    case '':
      return jsonAnswer(200, resourcesOf(version))
    case 'limits':
      return permissionsOf(exchange, world).includes('ViewSetup')
        ? jsonAnswer(200, LIMITS)
        : refuseRest('forbidden')
    case 'query':
      return answerQueryForm(exchange) ?? answerQuery(exchange, world)
    default:
      return refuseRest('not_there')
  }
}

/** Salesforce retired older versions in Summer '25. */
const OLDEST = 31
const VERSIONS = [63, 64, 65, 66, 67].map((number) => ({
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

/** Supports queries for the permissions of the user, which each user may read, and for some members of the org. */
function answerQuery(exchange: Exchange, world: World): Answer {
  const found = queryRecord(exchange.query.get('q') ?? '', exchange, world)
  const records = found === undefined ? [] : [withAttributes(found, exchange.path)]
  return jsonAnswer(200, { totalSize: records.length, done: true, records })
}

/** Clients in typed languages want the attributes in each record. */
function withAttributes({ object, record }: FoundRecord, path: string) {
  const [root] = /\/services\/data\/v\d{2}\.0/.exec(path) ?? ['']
  return {
    attributes: { type: object, url: `${root}/sobjects/${object}/${record.Id ?? ''}` },
    ...record,
  }
}

interface FoundRecord {
  readonly object: string
  readonly record: Readonly<Record<string, unknown>>
}

/** Undefined: nothing is found. */
export function queryRecord(
  query: string,
  exchange: Exchange,
  world: World,
): FoundRecord | undefined {
  const [, list = '', object = ''] = /^SELECT (\w+(?:, *\w+)*) FROM (\w+)$/i.exec(query) ?? []
  const read = Object.hasOwn(OBJECTS, object) ? OBJECTS[object] : undefined
  if (read === undefined) return undefined
  const fieldOf = read(exchange, world)
  const fields = list.split(/, */).map((field) => [field, fieldOf(field)])
  return { object, record: Object.fromEntries(fields) }
}

type Reader = (exchange: Exchange, world: World) => (field: string) => unknown

const OBJECTS: Readonly<Record<string, Reader>> = {
  UserPermissionAccess(exchange, world) {
    const has = permissionsOf(exchange, world)
    return (field) => has.includes(field.replace('Permissions', ''))
  },
  Organization(exchange, world) {
    const { id, kind } = world.directory.org(exchange.identified().orgId ?? '')
    const known: Readonly<Record<string, unknown>> = { Id: id, IsSandbox: kind === 'sandbox' }
    return (field) => known[field] ?? null
  },
}

/** Supports only the record of the user. */
function answerObject(exchange: Exchange, world: World, path: string): Answer {
  const { userId = '' } = exchange.identified()
  if (exchange.method !== 'GET' || path !== `User/${userId}`) return refuseRest('not_there')
  const { username } = world.directory.user(userId)
  return jsonAnswer(200, { Id: userId, Username: username, Email: username })
}

function permissionsOf(exchange: Exchange, world: World): readonly string[] {
  const { userId = '' } = exchange.identified()
  return world.directory.user(userId).permissions
}

/** A dead token, a wrong instance and a wrong address all get the same answer. */
export function refuseToken(exchange: Exchange, world: World): Answer | undefined {
  if (exchange.headers.authorization === undefined) return refuseRest('authorization_header')
  const proven = provenToken(exchange)
  const token = proven ?? bearerToken(exchange) ?? ''
  const session = world.sessions.find(token)
  const call = { isProven: proven !== undefined, token, proof: exchange.headers.dpop }
  const ofProof = session && refusalOfProof(session, call, exchange, world)
  if (ofProof === 'use_dpop_nonce') return challenge(exchange, world)
  if (ofProof !== undefined) return refuseRest('session_invalid')
  const refusal = refusalOfSession(token, exchange, world)
  return refusal && withNonce(refuseRest(refusal), exchange, world)
}

/** Undefined: the session may call the API. This request also uses it. */
export function refusalOfSession(
  token: string,
  exchange: Exchange,
  world: World,
): RestRefusalName | undefined {
  const session = world.sessions.find(token)
  if (session === undefined) return 'session_invalid'
  const { role } = exchange
  const { orgId, userId, clientId } = session
  const org = world.directory.org(orgId)
  const isFromElsewhere = org.locksSessionsToIp && session.sourceIp !== exchange.remoteAddress
  if (isFromElsewhere) return 'session_invalid'
  if (role.kind === 'login' || role.kind === 'test') return 'url_not_reset'
  if (role.org.id !== orgId) return 'session_invalid'
  const { username, permissions } = world.directory.user(userId)
  exchange.identify({ orgId, userId, username, clientId })
  const hasScope = session.scopes.includes('api') || session.scopes.includes('full')
  const configuration = world.apps.find(clientId)?.configuration.at(exchange.node)
  if (!hasScope || configuration?.restApiAllowed === false) return 'api_not_allowed'
  if (!org.apiEnabled) return 'api_disabled'
  if (!permissions.includes('ApiEnabled')) return world.settings().apiOffForUser
  if (org.apiCallsUsedUp) return 'request_limit'
  world.sessions.touch(token)
  return undefined
}
