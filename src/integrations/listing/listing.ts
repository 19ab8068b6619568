/** Pages of integrations that a principal may see, filtered by label, state and certificate. */

import type { Static } from 'typebox'
import { allows, type Principal } from '../../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../../callers/reference-table.ts'
import { activeOf } from '../../credentials/credential.ts'
import { BrokerError } from '../../errors/errors.ts'
import { isUnusable, unlessUnusable } from '../../store/integrity/record-schema.ts'
import { pages } from '../../store/records.ts'
import type { Answers } from '../answers.ts'
import type { Integration } from '../integration.ts'
import type { IntegrationStore } from '../integration-store.ts'
import { isShown } from '../references/visible.ts'
import type { IntegrationView, ListQuery } from '../schemas/schemas.ts'
import { groupOfLabel, groupOfState } from '../state.ts'
import type { IntegrationState, IntegrationStatus } from '../status.ts'
import type { Candidates } from './candidates.ts'
import type { FrozenList } from './frozen.ts'
import { EVERYTHING, isEverything, reachesOf } from './reach.ts'

interface ListingDependencies {
  readonly store: Pick<IntegrationStore, 'list' | 'read'>
  readonly candidates: Pick<Candidates, 'find'>
  readonly frozen: FrozenList
  readonly statusOf: (integration: Integration) => Promise<IntegrationStatus>
  readonly listed: Answers['listed']
}

const DEFAULT_LIMIT = 50
/** Most records for one read of the store: the largest page, and the one that shows that there is another. */
const READ_LIMIT = 201
/** Most statuses that are looked up at once: half of them. */
const STATUSES = 101

/** Where integrations are that need not be frozen. */
const ANYWHERE = { names: [], reaches: [EVERYTHING] }

/** The cursor is the last name of the page, encoded so that nobody writes it by hand. */
const cursorOf = (name: string) => Buffer.from(name).toString('base64url')

function nameOf(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString()
  if (cursorOf(name) !== cursor || !/^[a-z0-9-]+$/.test(name)) {
    throw new BrokerError('request_invalid', 'query/cursor is not a cursor of this service')
  }
  return name
}

/** What a search looks for, and what it met on its way. */
interface Search {
  readonly filter: Filter
  readonly principal: Principal
  /** Most items that are wanted of it. */
  readonly count: number
  readonly onCorrupt: (names: readonly string[]) => void
}

interface Found {
  readonly integration: Integration
  readonly status: IntegrationStatus
}

export function createListing(dependencies: ListingDependencies) {
  const { store, candidates, frozen, statusOf, listed } = dependencies

  /** Where it cannot be told, the status says why. */
  const onlyFrozen = async (integrations: readonly Integration[]) => {
    const isFrozen = await Promise.all(
      integrations.map(async (one) => (await unlessUnusable(frozen.has(one))) ?? true),
    )
    return integrations.filter((_, at) => isFrozen[at])
  }

  /** Looks some statuses up at once: one by one, a page needs as many round trips as items. */
  const withStatus = async function* (
    integrations: readonly Integration[],
    { filter, principal, count, onCorrupt }: Search,
  ): AsyncGenerator<Found> {
    const shown = integrations.filter((one) => isShown(principal, one) && matches(filter, one))
    const wanted = filter.isFrozen ? await onlyFrozen(shown) : shown
    const atOnce = Math.min(count, STATUSES)
    for (let from = 0; from < wanted.length; from += atOnce) {
      const looked = await Promise.all(
        wanted.slice(from, from + atOnce).map(async (integration) => ({
          integration,
          status: await unlessUnusable(statusOf(integration)),
        })),
      )
      for (const { integration, status } of looked) {
        if (!status) onCorrupt([integration.name])
        else if (filter.state === undefined || status.state === filter.state) {
          yield { integration, status }
        }
      }
    }
  }

  /** Reads the records in order of name. */
  const scanned = async function* (after: string | undefined, search: Search) {
    const limit = Math.min(READ_LIMIT, search.count)
    for await (const { items, corrupt = [] } of pages(store.list, { limit, after })) {
      search.onCorrupt(named(search.principal, corrupt))
      yield* withStatus(items, search)
    }
  }

  const readSome = async (names: readonly string[], { principal, onCorrupt }: Search) => {
    const records = await Promise.all(
      names.map((name) =>
        store.read(name).catch((error: unknown) => {
          if (!isUnusable(error)) throw error
          onCorrupt(named(principal, [name]))
          return undefined
        }),
      ),
    )
    return records.filter((one) => one !== undefined)
  }

  /** The same by the index, where it can answer. It is as right as the scan: each record is read. */
  const searched = async function* (first: string | undefined, search: Search) {
    const { filter, principal, count: limit } = search
    const { groups, certificateEndsBefore: before } = filter
    const places = filter.isFrozen ? await frozen.places() : ANYWHERE
    if (places.names.length + places.reaches.length === 0) return
    const ofPlaces = places.reaches.some(isEverything) ? undefined : places
    const reaches = ofPlaces?.reaches ?? reachesOf(principal)
    const isNarrow = groups.length > 0 || before !== undefined || !reaches.every(isEverything)
    if (!isNarrow && !ofPlaces) return yield* scanned(first, search)
    let after = first
    do {
      const found = await candidates.find({
        ...{ reaches, groups, limit },
        ...(before !== undefined && { certificateEndsBefore: before }),
        ...(after !== undefined && { after }),
      })
      if (!found) return yield* scanned(after, search)
      const { next } = found
      const others = (ofPlaces?.names ?? []).filter(
        (name) => (after === undefined || name > after) && (next === null || name <= next),
      )
      const names = [...new Set([...found.names, ...others])].sort()
      for (let from = 0; from < names.length; from += STATUSES) {
        yield* withStatus(await readSome(names.slice(from, from + STATUSES), search), search)
      }
      after = next ?? undefined
    } while (after !== undefined)
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
      const items: Found[] = []
      const corrupt = new Set<string>()
      const within = (last: string | undefined) =>
        [...corrupt].filter((name) => last === undefined || name <= last).sort()
      const after = query.cursor === undefined ? undefined : nameOf(query.cursor)
      const search: Search = {
        ...{ filter: filterOf(query), principal },
        // One more than the page shows whether there is another page.
        count: limit + 1,
        onCorrupt(names) {
          for (const name of names) corrupt.add(name)
        },
      }
      let last: string | undefined
      for await (const found of searched(after, search)) {
        if (items.length === limit) {
          last = items.at(-1)?.integration.name
          break
        }
        items.push(found)
      }
      const view = answersFor(principal)
      return {
        items: await Promise.all(items.map(view)),
        nextCursor: last === undefined ? null : cursorOf(last),
        corrupt: within(last),
      }
    },
  }

  function answersFor(principal: Principal) {
    const known = new Map<string, Promise<boolean>>()
    return ({ integration, status }: Found) => listed(integration, status, principal, known)
  }
}

const named = (principal: Principal, names: readonly string[]): readonly string[] =>
  names.filter((name) => allows(principal, NAMED_IN_ANSWERS, { name }))

interface Filter {
  /** Groups of the listing index. */
  readonly groups: readonly string[]
  readonly state: IntegrationState | undefined
  readonly isFrozen: boolean
  readonly label: readonly [key: string, value: string] | undefined
  readonly certificateEndsBefore: number | undefined
}

function filterOf({ state: wanted, label, ...query }: Static<typeof ListQuery>): Filter {
  const isFrozen = wanted === 'frozen'
  const state = isFrozen ? undefined : wanted
  const colon = label?.indexOf(':') ?? -1
  const pair =
    label === undefined ? undefined : ([label.slice(0, colon), label.slice(colon + 1)] as const)
  const before = query.certificate_expires_before
  return {
    groups: [
      ...(state === undefined ? [] : [groupOfState(state)]),
      ...(pair === undefined ? [] : [groupOfLabel(...pair)]),
    ],
    ...{ state, isFrozen, label: pair },
    certificateEndsBefore: before === undefined ? undefined : Date.parse(before),
  }
}

function matches({ label, certificateEndsBefore: before }: Filter, one: Integration): boolean {
  if (label && one.labels[label[0]] !== label[1]) return false
  if (before === undefined) return true
  const end = activeOf(one.credentials)?.certificate?.notAfter
  return end !== undefined && end < before
}
