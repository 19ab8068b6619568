/** Pages of integrations that a principal may see, filtered by label, state and certificate. */

import type { Static } from 'typebox'
import { allows, type Principal } from '../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../callers/reference-table.ts'
import { activeOf } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import { pages } from '../store/records.ts'
import type { Answers } from './answers.ts'
import type { Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'
import { isShown } from './references/visible.ts'
import type { IntegrationView, ListQuery } from './schemas/schemas.ts'
import type { IntegrationStatus } from './status.ts'

interface ListingDependencies {
  readonly store: Pick<IntegrationStore, 'list'>
  readonly statusOf: (integration: Integration) => Promise<IntegrationStatus>
  readonly listed: Answers['listed']
}

const DEFAULT_LIMIT = 50
/** Number of records for one read of the store during a search. */
const READ_LIMIT = 200
/** Most statuses that are looked up at once. */
const STATUSES = 100

/** The cursor is the last name of the page, encoded so that nobody writes it by hand. */
const cursorOf = (name: string) => Buffer.from(name).toString('base64url')

function nameOf(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString()
  if (cursorOf(name) !== cursor || !/^[a-z0-9-]+$/.test(name)) {
    throw new BrokerError('request_invalid', 'query/cursor is not a cursor of this service')
  }
  return name
}

export function createListing({ store, statusOf, listed }: ListingDependencies) {
  /** Yields in order of name. Looks some statuses up at once: one by one, a page needs as many round trips as items. */
  const found = async function* (
    first: string | undefined,
    atOnce: number,
    isWanted: (integration: Integration) => boolean,
    onCorrupt: (names: readonly string[]) => void,
  ) {
    for await (const { items, corrupt = [] } of pages(store.list, {
      limit: READ_LIMIT,
      after: first,
    })) {
      onCorrupt(corrupt)
      const wanted = items.filter(isWanted)
      for (let from = 0; from < wanted.length; from += atOnce) {
        yield* await Promise.all(
          wanted.slice(from, from + atOnce).map(async (integration) => ({
            integration,
            status: await unlessUnusable(statusOf(integration)),
          })),
        )
      }
    }
  }

  return {
    async page(
      query: Static<typeof ListQuery>,
      principal: Principal,
    ): Promise<{
      readonly items: readonly Static<typeof IntegrationView>[]
      readonly nextCursor: string | null
      /** Names in this page, in order, of integrations whose record is unusable. Labels of such a record are unknown, so only principals without a label limit see its name. */
      readonly corrupt: readonly string[]
    }> {
      const limit = query.limit ?? DEFAULT_LIMIT
      const matches = filterOf(query)
      const items: Static<typeof IntegrationView>[] = []
      const corrupt: string[] = []
      const onCorrupt = (names: readonly string[]) => {
        corrupt.push(...names.filter((name) => allows(principal, NAMED_IN_ANSWERS, { name })))
      }
      const within = (last: string) => corrupt.filter((name) => name <= last).sort()
      const after = query.cursor === undefined ? undefined : nameOf(query.cursor)
      // One more than the page shows whether there is another page.
      const atOnce = Math.min(limit + 1, STATUSES)
      const isWanted = (one: Integration) => isShown(principal, one) && matches(one)
      const all = found(after, atOnce, isWanted, onCorrupt)
      for await (const { integration, status } of all) {
        if (!status) {
          corrupt.push(integration.name)
          continue
        }
        if (items.length === limit) {
          const last = items.at(-1)?.name ?? ''
          return { items, nextCursor: cursorOf(last), corrupt: within(last) }
        }
        if (query.state !== undefined && status.state !== query.state) continue
        items.push(await listed(integration, status, principal))
      }
      return { items, nextCursor: null, corrupt: corrupt.sort() }
    },
  }
}

function filterOf(query: Static<typeof ListQuery>): (integration: Integration) => boolean {
  const colon = query.label?.indexOf(':') ?? -1
  const key = query.label?.slice(0, colon)
  const value = query.label?.slice(colon + 1)
  const before = query.certificate_expires_before
  const beforeAt = before === undefined ? undefined : Date.parse(before)
  return ({ labels, credentials }) => {
    if (key !== undefined && labels[key] !== value) return false
    if (beforeAt === undefined) return true
    const end = activeOf(credentials)?.certificate?.notAfter
    return end !== undefined && end < beforeAt
  }
}
