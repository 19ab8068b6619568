/** The REST resources for keys and secrets of External Client Apps (Connect REST API, OAuth credentials). A pair is staged beside the main pair, becomes the main pair, and the old pair is deleted. Sources: Salesforce Help (xcloud.eca_stage_oauth_credentials) and public code that calls it. */
import { Secret } from '../../crypto/secret.ts'
import { badAnswer } from '../token-endpoint/salesforce-answer.ts'
import { createOrgApi, membersOf, type OrgAnswer, type OrgApiDependencies } from './org-api.ts'
import type { OrgCaller } from './org-request.ts'

export interface ConsumerPlace {
  readonly app: string
  readonly consumer: string
}

interface Consumer extends ConsumerPlace {
  /** The client id of the main pair. */
  readonly clientId: string
}

/** The pair beside the main pair: a staged pair, or the old pair after a rotation. */
export interface BesidePair {
  readonly id: string
  readonly isRotated: boolean
}

export interface NewPair {
  readonly clientId: string
  readonly clientSecret: Secret
}

/** Each method throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`. */
export type CredentialsApi = ReturnType<typeof createCredentialsApi>

const ROOT = '/services/data/v65.0/apps/oauth'
const JSON_TYPE = { 'content-type': 'application/json' }
const CLIENT_SECRET = /^[\x21-\x7e]{1,512}$/
const CLIENT_ID = /^[\x21-\x7e]{1,256}$/

type CredentialsApiDependencies = Omit<OrgApiDependencies, 'title'>

export function createCredentialsApi(dependencies: CredentialsApiDependencies) {
  const { call } = createOrgApi({ ...dependencies, title: 'The API for OAuth credentials' })

  return {
    /** The consumers of the app with this API name; empty if there is no such app. */
    async consumers(caller: OrgCaller, apiName: string): Promise<OrgAnswer<readonly Consumer[]>> {
      const usage = await call(caller, { method: 'GET', path: `${ROOT}/usage` })
      if (!usage.ok) return usage
      const found = listIn(usage.value, 'apps').find((one) => one.developerName === apiName)
      if (typeof found?.identifier !== 'string') return { ok: true, value: [] }
      const app = found.identifier
      const path = `${ROOT}/credentials/${encodeURIComponent(app)}`
      const answer = await call(caller, { method: 'GET', path })
      if (!answer.ok) return answer
      const value = listIn(answer.value, 'consumers').flatMap(({ id, key }) =>
        typeof id === 'string' && typeof key === 'string'
          ? [{ app, consumer: id, clientId: key }]
          : [],
      )
      return { ok: true, value }
    },
    async beside(
      caller: OrgCaller,
      place: ConsumerPlace,
    ): Promise<OrgAnswer<BesidePair | undefined>> {
      const answer = await call(caller, { method: 'GET', path: stagedPath(place) })
      if (!answer.ok) return answer.status === 404 ? { ok: true, value: undefined } : answer
      return { ok: true, value: besideIn(answer.value) }
    },
    /** Creates a pair that works immediately beside the main pair. Only this answer contains the secret. */
    async stage(caller: OrgCaller, place: ConsumerPlace): Promise<OrgAnswer<NewPair>> {
      const answer = await call(caller, {
        method: 'POST',
        path: stagedPath(place),
        headers: JSON_TYPE,
        // Without a body Salesforce waits for one and then resets the connection.
        body: '{}',
      })
      if (!answer.ok) return answer
      const { key, secret, consumerKey, consumerSecret } = membersOf(answer.value)
      const clientId = key ?? consumerKey
      const clientSecret = secret ?? consumerSecret
      if (!isText(clientId, CLIENT_ID) || !isText(clientSecret, CLIENT_SECRET)) {
        throw badAnswer('The API for OAuth credentials answered without the key and the secret.')
      }
      return { ok: true, value: { clientId, clientSecret: new Secret(clientSecret) } }
    },
    /** Makes the staged pair the main pair. The old pair then takes the staged position. */
    rotate: (caller: OrgCaller, place: ConsumerPlace, id: string): Promise<OrgAnswer<unknown>> =>
      call(caller, {
        method: 'PATCH',
        path: stagedPath(place, id),
        headers: JSON_TYPE,
        body: JSON.stringify({ command: 'rotate' }),
      }),
    /** Deletes the pair beside the main pair. */
    async remove(caller: OrgCaller, place: ConsumerPlace, id: string): Promise<OrgAnswer<unknown>> {
      const answer = await call(caller, { method: 'DELETE', path: stagedPath(place, id) })
      return !answer.ok && answer.status === 404 ? { ok: true, value: undefined } : answer
    },
  }
}

const stagedPath = ({ app, consumer }: ConsumerPlace, id?: string): string =>
  [`${ROOT}/credentials`, app, consumer, 'staged', ...(id === undefined ? [] : [id])]
    .map((part, index) => (index === 0 ? part : encodeURIComponent(part)))
    .join('/')

const isText = (value: unknown, pattern: RegExp): value is string =>
  typeof value === 'string' && pattern.test(value)

function listIn(value: unknown, member: string): readonly Readonly<Record<string, unknown>>[] {
  const list = membersOf(value)[member]
  if (!Array.isArray(list)) {
    throw badAnswer(`The API for OAuth credentials answered without ${member}.`)
  }
  return list.map(membersOf)
}

/** Accepts a single object, a list, or a list in a member. The id may be present only in the URL. */
function besideIn(value: unknown): BesidePair | undefined {
  const { stagedCredentials = value } = membersOf(value)
  const [first] = [stagedCredentials].flat()
  const { id, stagedCredentialId, stagedCredentialsURL, state } = membersOf(first)
  const url = typeof stagedCredentialsURL === 'string' ? stagedCredentialsURL : ''
  const known = id ?? stagedCredentialId ?? /\/staged\/([^/?]+)/.exec(url)?.[1]
  if (typeof known !== 'string') return undefined
  return { id: known, isRotated: String(state).toLowerCase() === 'rotated' }
}
