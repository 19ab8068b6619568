/** API keys at rest: one document a key, and one a name, so that no two keys that live have the same name. */
import { createHash } from 'node:crypto'
import { BrokerError } from '../errors/errors.ts'
import type { Emitter } from '../runtime/events.ts'
import { isCorrupt, unlessCorrupt } from '../store/integrity/record-schema.ts'
import type { Page } from '../store/records.ts'
import type { DocumentRecord, Documents } from '../store/store.ts'
import type { Permission, Permit } from './policy.ts'

export interface ApiKey {
  /** The 8 characters between `vk_` and the secret. */
  readonly id: string
  readonly name: string
  readonly permissions: readonly Permission[]
  /** Globs. */
  readonly integrations: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly createdAt: number
  readonly expiresAt: number
  /** The principal that made it. */
  readonly createdBy: string
  /** Id of the key that it was made with. Keys from before this was kept lack it. */
  readonly createdByKey?: string
  /** Ids of the keys that its maker was made with in turn, the first of them first: found also where one between is gone. At most 30. */
  readonly createdByKeysBefore?: readonly string[]
  /** Its name is one among those of its maker alone, and the principal tells it apart by its id. */
  readonly isQualified?: boolean
}

export interface StoredApiKey extends ApiKey {
  /** SHA-256 of the whole key, base64url. */
  readonly digest: string
}

export interface ApiKeyStore {
  /** Throws `conflict` where the name is in use: by any key, or where it is qualified by another of the same maker. */
  create(key: StoredApiKey): Promise<void>
  read(id: string): Promise<ApiKey | undefined>
  /** The key that has the name now, among those that are not qualified. */
  readByName(name: string): Promise<ApiKey | undefined>
  /** In order of id, without those that do not verify: they are named. `limit` 1 to 1000. */
  list(page: { readonly limit: number; readonly after?: string }): Promise<Page<ApiKey>>
  /** Those that were made with any of these keys, or with what these made, in order of id. */
  madeWith(keys: readonly Maker[]): Promise<readonly ApiKey[]>
  /** False: there is none of this id. */
  remove(key: ApiKey): Promise<boolean>
  /** One that does not verify, and of which nothing else is known. */
  removeCorrupt(id: string): Promise<boolean>
}

export interface ApiKeyStoreDependencies {
  readonly documents: Documents
  readonly now: () => number
  readonly events: Pick<Emitter<CallerEvents>, 'emit'>
}

export interface CallerEvents {
  /** This replica made or removed the API key of this id. */
  'api_key.written': string
}

export const API_KEY_KIND = 'api-key'
const NAME_KIND = 'api-key-name'

const READ_LIMIT = 200
/** An expired key stays in the list so long, for those who wonder why a service stopped. */
const EXPIRED_KEPT_MS = 30 * 86_400_000
/** A name is written just before its key: one without a key is still being made for so long. */
const MAKING_MS = 60_000

/** A key that made others. Where nothing but its id is known any more, keys from before ids were kept are not found. */
export type Maker = Pick<ApiKey, 'id'> & Partial<Pick<ApiKey, 'name' | 'createdAt'>>

export const principalIdOf = ({
  id,
  name,
  isQualified = false,
}: Pick<ApiKey, 'id' | 'name' | 'isQualified'>): string =>
  isQualified ? `api-key:${name}#${id}` : `api-key:${name}`

/** Keys that are made of each other, one after the other. */
export const LONGEST_CHAIN = 32

/** Ids of the keys that it was made with, and those with, the first of them first. */
export const makersOf = ({ createdByKey, createdByKeysBefore = [] }: ApiKey): readonly string[] =>
  createdByKey === undefined ? [] : [...createdByKeysBefore, createdByKey]

function isMadeWith(key: ApiKey, { id, name, createdAt = 0 }: Maker): boolean {
  if (key.createdByKey !== undefined) return makersOf(key).includes(id)
  return name !== undefined && key.createdBy === `api-key:${name}` && key.createdAt >= createdAt
}

/** Where the name of a key is taken. */
function placeOf({ name, isQualified, createdBy, createdByKey = createdBy }: ApiKey): string {
  if (!isQualified) return name
  return `${name}#${createHash('sha256').update(createdByKey).digest('base64url').slice(0, 22)}`
}

export const permitsOf = ({ permissions, integrations, labels }: ApiKey): readonly Permit[] =>
  permissions.map((permission) => ({ permission, integrations, labels }))

export function apiKeyOf({ id, body }: DocumentRecord): StoredApiKey {
  return { ...(JSON.parse(body) as Omit<StoredApiKey, 'id'>), id }
}

interface NameBody {
  readonly id: string
  readonly at: number
}

export function createApiKeyStore(dependencies: ApiKeyStoreDependencies): ApiKeyStore {
  const { documents, now, events } = dependencies

  /** What a name that belongs to no key any more is to be taken from; undefined where it is in use. */
  const abandoned = async (name: string): Promise<number | 'absent' | 'any' | undefined> => {
    const record = await documents.read(NAME_KIND, name).catch((error: unknown) => {
      if (isCorrupt(error)) return 'corrupt' as const
      throw error
    })
    // Nobody took it who could: it holds nobody's name.
    if (record === 'corrupt') return 'any'
    if (!record) return 'absent'
    const { id, at } = JSON.parse(record.body) as NameBody
    if (now() - at < MAKING_MS || (await unlessCorrupt(documents.read(API_KEY_KIND, id))))
      return undefined
    return record.version
  }

  const takeName = async (key: StoredApiKey): Promise<boolean> => {
    const { id, expiresAt } = key
    const name = placeOf(key)
    const body = JSON.stringify({ id, at: now() } satisfies NameBody)
    const take = (expected: number | 'absent' | 'any') =>
      documents.write(NAME_KIND, name, body, { expected, expiresAt })
    if (await take('absent')) return true
    const expected = await abandoned(name)
    return expected !== undefined && (await take(expected)) !== undefined
  }

  const freeName = async (key: ApiKey): Promise<void> => {
    const { id } = key
    const name = placeOf(key)
    const record = await unlessCorrupt(documents.read(NAME_KIND, name))
    if (record && (JSON.parse(record.body) as NameBody).id === id) {
      await documents.remove(NAME_KIND, name, record.version)
    }
  }

  return {
    async create(key) {
      if (!(await takeName(key))) {
        throw new BrokerError('conflict', 'body/name is in use by another API key')
      }
      const { id, ...content } = key
      const expiresAt = key.expiresAt + EXPIRED_KEPT_MS
      const body = JSON.stringify(content)
      const written = await documents.write(API_KEY_KIND, id, body, {
        expected: 'absent',
        expiresAt,
      })
      events.emit('api_key.written', id)
      if (!written) throw new BrokerError('conflict', 'The id was taken; try again')
    },
    async read(id) {
      const record = await documents.read(API_KEY_KIND, id)
      return record && apiKeyOf(record)
    },
    async readByName(name) {
      const holder = await documents.read(NAME_KIND, name)
      if (!holder) return undefined
      const record = await documents.read(API_KEY_KIND, (JSON.parse(holder.body) as NameBody).id)
      return record && apiKeyOf(record)
    },
    async madeWith(makers) {
      const found: ApiKey[] = []
      let after: string | undefined
      do {
        const page = await documents.list(API_KEY_KIND, {
          limit: READ_LIMIT,
          ...(after !== undefined && { after }),
        })
        const keys = page.items.map(apiKeyOf)
        found.push(...keys.filter((key) => makers.some((maker) => isMadeWith(key, maker))))
        after = page.next ?? undefined
      } while (after !== undefined)
      return found
    },
    async list(page) {
      const { items, ...rest } = await documents.list(API_KEY_KIND, page)
      return { ...rest, items: items.map(apiKeyOf) }
    },
    async remove(key) {
      const removed = await documents.remove(API_KEY_KIND, key.id, 'any')
      events.emit('api_key.written', key.id)
      if (removed) await freeName(key)
      return removed
    },
    async removeCorrupt(id) {
      const removed = await documents.remove(API_KEY_KIND, id, 'any')
      events.emit('api_key.written', id)
      return removed
    },
  }
}
