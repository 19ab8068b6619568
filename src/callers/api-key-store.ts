/** Stores API keys: one document for each key, and one for each name, so that no two live keys have the same name. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { Emitter } from '../runtime/events.ts'
import { documentKind, type StoredDocument } from '../store/documents.ts'
import { unlessCorrupt } from '../store/integrity/record-schema.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Page, PageQuery } from '../store/records.ts'
import type { DocumentRecord, Documents } from '../store/store.ts'
import { limitedTo, type Permission, type Permit } from './policy.ts'

const ApiKeyBody = Type.Object({
  name: Type.String(),
  permissions: Type.Array(Type.Unsafe<Permission>(Type.String())),
  /** Globs of integration names. */
  integrations: Type.Array(Type.String()),
  labels: Type.Record(Type.String(), Type.String()),
  /** Requests for which `tokens:read` counts. With them, `permissions` lacks `tokens:read`, so that a release that does not know them hands out no token. */
  requests: Type.Optional(Type.Array(Type.String())),
  /** The requests of a key with networks, for which there is no `requests`: a release that knows `requests` but no networks would hand out tokens for them everywhere. */
  requestsWithin: Type.Optional(Type.Array(Type.String())),
  /** The same of a key without `tokens:read`. */
  requestsToProve: Type.Optional(Type.Array(Type.String())),
  /** Most seconds that `POST /oauth/token` says as `expires_in`. */
  maxExpiresInSeconds: Type.Optional(Type.Number()),
  /** Networks from which the key counts. With them, `permissions` is empty, so that a release that does not know them permits nothing. */
  networks: Type.Optional(Type.Array(Type.String())),
  /** The permissions of a key with networks. */
  permissionsWithin: Type.Optional(Type.Array(Type.Unsafe<Permission>(Type.String()))),
  createdAt: Type.Number(),
  expiresAt: Type.Number(),
  /** Id of the principal that created the key. */
  createdBy: Type.String(),
  /** Id of the API key that created this one. Older records lack it. */
  createdByKey: Type.Optional(Type.String()),
  /** Ids of the keys that created the creating key, the first ancestor first. With them, descendants are found although a key between them is gone. At most 30. */
  createdByKeysBefore: Type.Optional(Type.Array(Type.String())),
  /** Whether the name is only unique among the keys of its creator. Then the id is part of the principal. */
  isQualified: Type.Optional(Type.Boolean()),
  /** SHA-256 of the whole key, base64url. */
  digest: Type.String(),
})

interface StoredApiKey
  extends Omit<BodyOf<typeof ApiKeyBody>, 'permissionsWithin' | 'requestsWithin'> {
  /** The 8 characters between `vk_` and the secret. */
  readonly id: string
}

export type ApiKey = Omit<StoredApiKey, 'digest' | 'requestsToProve' | 'permissionsWithin'>

export type ApiKeyStore = ReturnType<typeof createApiKeyStore>

export interface CallerEvents {
  /** This replica created or removed the API key with this id. */
  'api_key.written': string
}

const API_KEYS = documentKind({ kind: 'api-key', schema: ApiKeyBody })
export const API_KEY_KIND = API_KEYS.kind
const NAMES = documentKind({
  kind: 'api-key-name',
  schema: Type.Object({ id: Type.String(), at: Type.Number() }),
  // A corrupt record does not reserve the name.
  replacesCorrupt: true,
})

/** An expired key stays in the list for this time, so that an operator sees why a service stopped. */
const EXPIRED_KEPT_MS = 30 * 86_400_000
/** A name is written just before its key. For this time, a name without a key counts as in use. */
const MAKING_MS = 60_000

/** A key that created others. If only its id is known, keys from before ids were stored are not found. */
type Maker = Pick<ApiKey, 'id'> & Partial<Pick<ApiKey, 'name' | 'createdAt'>>

export const principalIdOf = ({
  id,
  name,
  isQualified = false,
}: Pick<ApiKey, 'id' | 'name' | 'isQualified'>): string =>
  isQualified ? `api-key:${name}#${id}` : `api-key:${name}`

/** Most keys in a chain of keys that created each other. */
export const LONGEST_CHAIN = 32

/** Ids of all its ancestors, the first one first. */
export const makersOf = ({ createdByKey, createdByKeysBefore = [] }: ApiKey): readonly string[] =>
  createdByKey === undefined ? [] : [...createdByKeysBefore, createdByKey]

function isMadeWith(key: ApiKey, { id, name, createdAt = 0 }: Maker): boolean {
  if (key.createdByKey !== undefined) return makersOf(key).includes(id)
  return name !== undefined && key.createdBy === `api-key:${name}` && key.createdAt >= createdAt
}

/** The namespace in which the name of a key is unique. */
function placeOf({ name, isQualified, createdBy, createdByKey = createdBy }: ApiKey): string {
  if (!isQualified) return name
  return `${name}#${createHash('sha256').update(createdByKey).digest('base64url').slice(0, 22)}`
}

export const permitsOf = ({
  permissions,
  integrations,
  labels,
  requests,
  networks,
}: ApiKey): readonly Permit[] =>
  permissions.map((permission) => ({
    ...{ permission, integrations, labels },
    ...limitedTo(permission, requests),
    ...(networks && { networks }),
  }))

const READ = 'tokens:read'

const keyOf = ({ id, body }: StoredDocument<BodyOf<typeof ApiKeyBody>>): StoredApiKey => {
  const { permissions, permissionsWithin, requestsWithin, requestsToProve, ...content } = body
  // Older records have the requests of a key with networks in `requests`.
  const ofReader = requestsWithin ?? content.requests
  const requests = ofReader ?? requestsToProve
  return {
    ...content,
    ...(requests && { requests }),
    permissions: [...(ofReader ? ([READ] as const) : []), ...(permissionsWithin ?? permissions)],
    id,
  }
}

/** What another release would not limit is where it does not look. */
function bodyOf({ id: _, ...content }: StoredApiKey): BodyOf<typeof ApiKeyBody> {
  const { permissions: all, requests, networks, ...rest } = content
  const permissions = requests ? all.filter((permission) => permission !== READ) : all
  const limit = requests && { [requestsPlace(all, networks)]: requests }
  if (networks === undefined) return { ...rest, permissions, ...limit }
  return { ...rest, networks, permissions: [], permissionsWithin: permissions, ...limit }
}

/** Whoever has `tokens:read` and requests gets it back from the place of these. */
function requestsPlace(
  permissions: readonly Permission[],
  networks: readonly string[] | undefined,
) {
  if (!permissions.includes(READ)) return 'requestsToProve'
  return networks === undefined ? 'requests' : 'requestsWithin'
}

export const apiKeyOf = (record: DocumentRecord): StoredApiKey => keyOf(API_KEYS.opened(record))

export function createApiKeyStore(dependencies: {
  readonly documents: Documents
  readonly now: () => number
  readonly events: Pick<Emitter<CallerEvents>, 'emit'>
}) {
  const { documents, now, events } = dependencies

  /** Takes the name, also from a key that is gone. False: it is in use. */
  const takeName = async (key: StoredApiKey): Promise<boolean> => {
    const { id, expiresAt } = key
    const isInUse = async (holder: { readonly id: string; readonly at: number }) =>
      now() - holder.at < MAKING_MS ||
      (await unlessCorrupt(documents.read(API_KEY_KIND, holder.id))) !== undefined
    const taken = await NAMES.update(
      documents,
      placeOf(key),
      async (holder) => {
        if (holder && (await isInUse(holder.body))) return undefined
        return { id, at: now() }
      },
      () => expiresAt,
    )
    return taken !== undefined
  }

  const freeName = async (key: ApiKey): Promise<void> => {
    const { id } = key
    const name = placeOf(key)
    const holder = await unlessCorrupt(NAMES.read(documents, name))
    if (holder?.body.id === id) await NAMES.erase(documents, name, holder.version)
  }

  return {
    /** Throws `conflict` if the name is in use by any key. A qualified name conflicts only with keys of the same creator. */
    async create(key: StoredApiKey): Promise<void> {
      if (!(await takeName(key))) {
        throw new BrokerError('conflict', 'body/name is in use by another API key')
      }
      const { id } = key
      const expiresAt = key.expiresAt + EXPIRED_KEPT_MS
      await API_KEYS.write(documents, id, bodyOf(key), { expected: 'absent', expiresAt })
      events.emit('api_key.written', id)
    },
    async read(id: string): Promise<ApiKey | undefined> {
      const stored = await API_KEYS.read(documents, id)
      return stored && keyOf(stored)
    },
    /** The key that has this unqualified name now. */
    async readByName(name: string): Promise<ApiKey | undefined> {
      const holder = await NAMES.read(documents, name)
      const stored = holder && (await API_KEYS.read(documents, holder.body.id))
      return stored && keyOf(stored)
    },
    /** Keys that were created with any of these keys, or with their descendants, in order of id. */
    async madeWith(makers: readonly Maker[]): Promise<readonly ApiKey[]> {
      const found: ApiKey[] = []
      for await (const stored of API_KEYS.all(documents)) {
        const key = keyOf(stored)
        if (makers.some((maker) => isMadeWith(key, maker))) found.push(key)
      }
      return found
    },
    /** In order of id. Keys whose records do not verify are only named. `limit` 1 to 1000. */
    async list(page: PageQuery): Promise<Page<ApiKey>> {
      const { items, ...rest } = await API_KEYS.list(documents, page)
      return { ...rest, items: items.map(keyOf) }
    },
    /** False: no key has this id. */
    async remove(key: ApiKey): Promise<boolean> {
      const removed = await API_KEYS.erase(documents, key.id)
      events.emit('api_key.written', key.id)
      if (removed) await freeName(key)
      return removed
    },
    /** Removes a record that does not verify and whose content is unknown. */
    async removeCorrupt(id: string): Promise<boolean> {
      const removed = await API_KEYS.erase(documents, id)
      events.emit('api_key.written', id)
      return removed
    },
  }
}
