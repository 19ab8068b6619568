import type { Test } from 'tap'
import type { Action } from '../../src/audit/actions.ts'
import { createAuditSearch } from '../../src/audit/search.ts'
import type { Permit, Principal } from '../../src/callers/policy.ts'
import { eachEngine } from '../support/store-engines.ts'

const HOUR_MS = 3_600_000
const START = Date.UTC(2026, 0, 1)

const principal = (...permits: Partial<Permit>[]): Principal => ({
  id: 'api-key:auditor',
  kind: 'api_key',
  name: 'auditor',
  permits: permits.map((permit) => ({
    permission: 'audit:read',
    integrations: ['*'],
    labels: {},
    ...permit,
  })),
})

const ALL = principal({})

interface Written {
  readonly at?: number
  readonly action?: Action
  readonly integration?: string | null
  readonly principal?: string | null
}

const event = (index: number, { at = START + index, ...rest }: Written = {}) =>
  JSON.stringify({
    id: `event-${index}`,
    at: new Date(at).toISOString(),
    principal: 'admin',
    action: 'integration.changed',
    integration: 'billing',
    outcome: 'success',
    request_id: 'r',
    ...rest,
  })

eachEngine(async (t, open) => {
  const prepare = async (_t: Test, bodies: readonly string[]) => {
    const { store } = await open()
    for (let from = 0; from < bodies.length; from += 500) {
      await store.events.append(bodies.slice(from, from + 500), 100_000)
    }
    const labels: Record<string, Record<string, string>> = {
      billing: { environment: 'production' },
      crm: { environment: 'test' },
    }
    return createAuditSearch({ events: store.events, labelsOf: async (name) => labels[name] })
  }

  const idsOf = ({ items }: { items: readonly { id: string }[] }) => items.map(({ id }) => id)

  t.test('pages go from the newest to the oldest, and miss and repeat nothing', async (t) => {
    const search = await prepare(
      t,
      Array.from({ length: 25 }, (_, index) => event(index)),
    )
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await search.page({ limit: 10, ...(cursor !== null && { cursor }) }, ALL)
      t.ok(page.items.length <= 10)
      seen.push(...idsOf(page))
      cursor = page.nextCursor
    } while (cursor !== null)
    t.strictSame(
      seen,
      Array.from({ length: 25 }, (_, index) => `event-${24 - index}`),
    )
  })

  t.test('a page that ends with the last event has no next one', async (t) => {
    const search = await prepare(t, [event(0), event(1)])
    t.equal((await search.page({ limit: 2 }, ALL)).nextCursor, null)
  })

  t.test('filters by integration, principal, action and time', async (t) => {
    const search = await prepare(t, [
      event(0, { at: START }),
      event(1, { integration: 'crm', at: START + 1 * HOUR_MS }),
      event(2, { principal: 'api-key:ops', at: START + 2 * HOUR_MS }),
      event(3, { action: 'token.minted', at: START + 3 * HOUR_MS }),
      event(4, { at: START + 4 * HOUR_MS }),
    ])
    const ids = async (query: Parameters<typeof search.page>[0]) =>
      idsOf(await search.page(query, ALL))
    t.strictSame(await ids({ integration: 'crm' }), ['event-1'])
    t.strictSame(await ids({ principal: 'api-key:ops' }), ['event-2'])
    t.strictSame(await ids({ action: 'token.minted' }), ['event-3'])
    const since = new Date(START + 3 * HOUR_MS).toISOString()
    t.strictSame(await ids({ since }), ['event-4', 'event-3'], 'since is within')
    t.strictSame(await ids({ until: since }), ['event-2', 'event-1', 'event-0'], 'until is not')
    t.strictSame(await ids({ action: 'integration.changed', integration: 'billing', since }), [
      'event-4',
    ])
  })

  t.test('who is limited sees the events of its integrations alone', async (t) => {
    const search = await prepare(t, [
      event(0, { integration: 'billing' }),
      event(1, { integration: 'crm' }),
      event(2, { integration: null, action: 'api_key.created' }),
      event(3, { integration: 'gone' }),
    ])
    const ids = async (...permits: Partial<Permit>[]) =>
      idsOf(await search.page({}, principal(...permits)))
    t.strictSame(await ids({}), ['event-3', 'event-2', 'event-1', 'event-0'])
    t.strictSame(await ids({ integrations: ['b*'] }), ['event-0'])
    t.strictSame(await ids({ integrations: ['billing'] }, { integrations: ['gone'] }), [
      'event-3',
      'event-0',
    ])
    t.strictSame(await ids({ labels: { environment: 'test' } }), ['event-1'])
    t.strictSame(await ids({ permission: 'tokens:read' }), [])
  })

  t.test('one request looks at a bounded number of events, and the next one goes on', async (t) => {
    const bodies = [
      event(0, { integration: 'needle' }),
      ...Array.from({ length: 10_500 }, (_, index) => event(index + 1)),
    ]
    const search = await prepare(t, bodies)
    const first = await search.page({ integration: 'needle' }, ALL)
    t.strictSame(first.items, [])
    t.not(first.nextCursor, null)
    const cursor = first.nextCursor ?? ''
    const second = await search.page({ integration: 'needle', cursor }, ALL)
    t.strictSame(idsOf(second), ['event-0'])
    t.equal(second.nextCursor, null)
  })

  t.test('refuses a cursor that it did not give', async (t) => {
    const search = await prepare(t, [event(0)])
    for (const cursor of ['x', 'bm90LWFuLWlk', Buffer.from('1; DROP').toString('base64url')]) {
      await t.rejects(search.page({ cursor }, ALL), { code: 'request_invalid' })
    }
  })
})
