/** `/whoami` and `/api-keys`. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import { isNetwork } from '../http/networks.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { isCorrupt, unlessCorrupt } from '../store/integrity/record-schema.ts'
import { pages } from '../store/records.ts'
import { generateApiKey } from './api-key.ts'
import { type ApiKey, type ApiKeyStore, LONGEST_CHAIN, makersOf } from './api-key-store.ts'
import { latestEnd, managesGrant, mayGrant } from './granting.ts'
import type { Confirm } from './index.ts'
import { allowsAll, allowsSome, type Principal, requestsTrouble } from './policy.ts'
import {
  ApiKeyBody,
  ApiKeyList,
  ApiKeyParams,
  ApiKeyQuery,
  apiKeyView,
  NewApiKey,
  permitView,
  RevokeQuery,
  WhoAmI,
} from './schemas.ts'

interface ApiKeyChange {
  readonly action: 'api_key.created' | 'api_key.revoked'
  /** Public id of the key. */
  readonly id: string
}

export interface CallerRouteDependencies {
  readonly keys: ApiKeyStore
  readonly now: () => number
  readonly randomBytes: (size: number) => Uint8Array
  readonly confirm: Confirm
  /** Awaited before the change is acknowledged. */
  readonly onChanged?: (request: FastifyRequest, change: ApiKeyChange) => void | Promise<void>
}

const YEAR_MS = 365 * 86_400_000
const DEFAULT_LIMIT = 50
/** Number of keys for one read of the store during a search. */
const READ_LIMIT = 200

export function registerCallerRoutes(server: Server, dependencies: CallerRouteDependencies): void {
  const { keys, now, randomBytes, confirm, onChanged } = dependencies

  server.get(
    '/whoami',
    operation('whoAmI', 'callers', {
      summary: 'Who you are, and what you may do',
      description: 'Needs a valid credential, and no permission.',
      response: { 200: WhoAmI },
    }),
    async ({ principal }) => {
      const { id, kind, name, permits } = principal
      if (permits.length === 0) {
        const why = `You are ${id}, and no caller of the configuration file matches that`
        throw new BrokerError('caller_forbidden', why)
      }
      return { principal: id, kind, name, permissions: permits.map(permitView) }
    },
  )

  server.post(
    '/api-keys',
    operation('createApiKey', 'callers', {
      summary: 'Make an API key',
      description:
        'Needs `api-keys:write`, and every permission that it grants, over at least the same integrations and labels; and it ends no later than the key that it is made with. The key is shown this once.',
      body: ApiKeyBody,
      response: {
        201: NewApiKey,
        ...problems('conflict'),
      },
    }),
    async (request, reply) => {
      const { principal } = request
      authorise(principal)
      const { name, permissions, integrations, labels = {}, expires_at } = request.body
      const { requests, networks, max_expires_in } = request.body
      const trouble = requestsTrouble(permissions, requests)
      if (trouble !== undefined) throw new BrokerError('request_invalid', `body/${trouble}`)
      requireNetworks(networks)
      const limit = { ...(requests && { requests }), ...(networks && { networks }) }
      if (!mayGrant(principal, { permissions, integrations, labels, ...limit })) {
        throw new BrokerError('caller_forbidden', 'You may not grant more than you have yourself')
      }
      const createdAt = now()
      const expiresAt =
        expires_at === undefined
          ? Math.min(createdAt + YEAR_MS, latestEnd(principal))
          : Date.parse(expires_at)
      if (!(expiresAt > createdAt)) {
        throw new BrokerError('request_invalid', 'body/expires_at must lie in the future')
      }
      if (expiresAt > latestEnd(principal)) {
        const end = new Date(latestEnd(principal)).toISOString()
        const why = `You may not make a key that outlives your own, which ends at ${end}`
        throw new BrokerError('caller_forbidden', why)
      }
      const before = await makersBefore(keys, principal)
      const { id, key, digest } = generateApiKey(randomBytes)
      const made: ApiKey = {
        ...{ id, name, permissions, integrations, labels, createdAt, expiresAt },
        ...limit,
        ...(max_expires_in !== undefined && { maxExpiresInSeconds: max_expires_in }),
        createdBy: principal.id,
        ...(principal.key && { createdByKey: principal.key.id }),
        ...(before.length > 0 && { createdByKeysBefore: before }),
        // If the principal does not see all keys, a conflict must not tell it which names exist.
        ...(!allowsAll(principal, 'api-keys:write') && { isQualified: true }),
      }
      await keys.create({ ...made, digest })
      try {
        // The creating key, with all its descendants, may have been revoked just before the new key
        // was written.
        await confirm(request)
      } catch (error) {
        await keys.remove(made)
        throw error
      }
      await onChanged?.(request, { action: 'api_key.created', id })
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...apiKeyView(made), key: key.reveal() })
    },
  )

  server.get(
    '/api-keys',
    operation('listApiKeys', 'callers', {
      summary: 'The API keys that you may revoke',
      description: 'Needs `api-keys:write`. In order of id; never the key itself.',
      querystring: ApiKeyQuery,
      response: { 200: ApiKeyList },
    }),
    async ({ principal, query }) => {
      authorise(principal)
      const page = await pageOf(keys, query, (key) => managesGrant(principal, key))
      const { items, nextCursor } = page
      const corrupt = allowsAll(principal, 'api-keys:write') ? page.corrupt : []
      return {
        items: items.map(apiKeyView),
        next_cursor: nextCursor,
        ...(corrupt.length > 0 && { corrupt }),
      }
    },
  )

  server.delete(
    '/api-keys/:id',
    operation('deleteApiKey', 'callers', {
      summary: 'Revoke an API key',
      description:
        'Needs `api-keys:write` over all of its integrations. Takes effect on every replica within a second. Keys that were made with it stay, until they end; `?with=children` revokes them, too, and may be asked again where it was not answered.',
      params: ApiKeyParams,
      querystring: RevokeQuery,
      response: {
        204: Type.Null({ description: 'Revoked' }),
        ...problems('api_key_not_found'),
      },
    }),
    async (request, reply) => {
      const { principal, params, query } = request
      authorise(principal)
      const isTree = query.with === 'children'
      const read = await keys.read(params.id).catch((error: unknown) => {
        if (isCorrupt(error)) return 'corrupt' as const
        throw error
      })
      const key = read === 'corrupt' ? undefined : read
      // If the key was already revoked, its descendants may remain.
      const orphans = !key && isTree ? await keys.madeWith([params]) : []
      const found = key ? [key] : orphans
      const isManaged = found.every((one) => managesGrant(principal, one))
      // A principal that does not see all keys must not learn which ids exist.
      const isUnknown = found.length === 0 || read === 'corrupt'
      if (!isManaged || (isUnknown && !allowsAll(principal, 'api-keys:write'))) {
        throw new BrokerError('caller_forbidden', 'You may not revoke this API key')
      }
      let count = 0
      if (read === 'corrupt' && (await keys.removeCorrupt(params.id))) {
        count += 1
        await onChanged?.(request, { action: 'api_key.revoked', id: params.id })
      }
      // Revokes a key before its descendants, so that it creates no more. Descendants have no more
      // permissions than the key, so the principal may revoke them too.
      for (let revoked = found; revoked.length > 0; ) {
        for (const one of revoked) {
          if (!(await keys.remove(one))) continue
          count += 1
          await onChanged?.(request, { action: 'api_key.revoked', id: one.id })
        }
        revoked = isTree ? await keys.madeWith(revoked) : []
      }
      if (count === 0) {
        throw new BrokerError('api_key_not_found', 'No API key has this id')
      }
      return reply.code(204).send(null)
    },
  )
}

function authorise(principal: Principal): void {
  if (!allowsSome(principal, 'api-keys:write')) {
    throw new BrokerError('caller_forbidden', 'You lack api-keys:write')
  }
}

/** The creating key and its ancestors. Throws `caller_forbidden` if the chain is too long. A key that is gone creates none. */
async function makersBefore(
  keys: Pick<ApiKeyStore, 'read'>,
  principal: Principal,
): Promise<readonly string[]> {
  const own = principal.key && (await unlessCorrupt(keys.read(principal.key.id)))
  const makers = own ? makersOf(own) : []
  if (makers.length + 1 < LONGEST_CHAIN) return makers
  const why = `Your key is the last of ${LONGEST_CHAIN} that were made with one another: make this one with an earlier one`
  throw new BrokerError('caller_forbidden', why)
}

/** The cursor is the last id of the page, encoded so that nobody writes it by hand. */
const cursorOf = (id: string) => Buffer.from(id).toString('base64url')

function requireNetworks(networks: readonly string[] = []): void {
  const place = networks.findIndex((network) => !isNetwork(network))
  if (place === -1) return
  const why = `body/networks/${place} is no IP address and no CIDR such as 10.0.0.0/8`
  throw new BrokerError('request_invalid', why)
}

function idIn(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (cursorOf(id) !== cursor || !/^[0-9A-Za-z]{8}$/.test(id)) {
    throw new BrokerError('request_invalid', 'query/cursor is not a cursor of this service')
  }
  return id
}

async function pageOf(
  keys: Pick<ApiKeyStore, 'list'>,
  query: { readonly limit?: number; readonly cursor?: string },
  isVisible: (key: ApiKey) => boolean,
) {
  const { limit = DEFAULT_LIMIT, cursor } = query
  const items: ApiKey[] = []
  const corrupt: string[] = []
  const after = cursor === undefined ? undefined : idIn(cursor)
  for await (const page of pages(keys.list, { limit: READ_LIMIT, after })) {
    corrupt.push(...(page.corrupt ?? []))
    for (const key of page.items.filter(isVisible)) {
      if (items.length === limit) {
        const last = items.at(-1)?.id ?? ''
        const within = corrupt.filter((id) => id <= last)
        return { items, nextCursor: cursorOf(last), corrupt: within }
      }
      items.push(key)
    }
  }
  return { items, nextCursor: null, corrupt }
}
