import t from 'tap'
import type { Principal } from '../../../src/callers/policy.ts'
import type { FrozenList } from '../../../src/integrations/listing/frozen.ts'
import { createListing } from '../../../src/integrations/listing/listing.ts'
import type { IntegrationState, IntegrationStatus } from '../../../src/integrations/status.ts'
import { integrationViewOf } from '../../../src/integrations/view.ts'
import { integrationOf } from '../../support/integrations.ts'

const ALL = Array.from({ length: 450 }, (_, index) =>
  integrationOf({ name: `n${String(index).padStart(3, '0')}` }),
)

const ANYBODY: Principal = {
  ...{ id: 'admin', kind: 'admin', name: 'admin' },
  permits: [{ permission: 'integrations:read', integrations: ['*'], labels: {} }],
}

const NOTHING_FROZEN: FrozenList = {
  places: async () => ({ names: [], reaches: [] }),
  has: async () => false,
}

/** A store that gives pages, and statuses that all wait until the test lets them go. */
function setUp(
  stateOf: (name: string) => IntegrationState = () => 'ready',
  isIndexed = false,
  frozen = NOTHING_FROZEN,
) {
  let asked = 0
  let selected = 0
  let most = 0
  let under = 0
  const listing = createListing({
    store: {
      async list({ limit, after }) {
        const from = after === undefined ? 0 : ALL.findIndex(({ name }) => name === after) + 1
        const items = ALL.slice(from, from + limit)
        return { items, next: from + limit < ALL.length ? (items.at(-1)?.name ?? null) : null }
      },
      read: async (name) => ALL.find((one) => one.name === name),
    },
    candidates: {
      async find({ groups, reaches, after }) {
        selected += 1
        if (reaches.length === 0) return { names: [], next: null }
        if (!isIndexed) return undefined
        const names = ALL.map(({ name }) => name)
          .filter((name) => after === undefined || name > after)
          .filter((name) => groups.includes(`state/${stateOf(name)}`))
        return { names, next: null }
      },
    },
    async statusOf({ name }) {
      asked += 1
      under += 1
      most = Math.max(most, under)
      await new Promise(setImmediate)
      under -= 1
      return {
        state: stateOf(name),
        ...{ sharesTokenWith: [], sharersCount: 0, lease: null, lastRefusal: null, identity: null },
        ...{ loginsLastHour: 0, certificateExpiresAt: null, connection: null },
      } satisfies IntegrationStatus
    },
    frozen,
    listed: async (integration, status) => integrationViewOf(integration, status),
  })
  const walk = async (query: { limit: number; state?: IntegrationState | 'frozen' }) => {
    const pages: string[][] = []
    let cursor: string | null | undefined
    do {
      const page = await listing.page({ ...query, ...(cursor && { cursor }) }, ANYBODY)
      pages.push(page.items.map(({ name }) => name))
      cursor = page.nextCursor
    } while (cursor !== null)
    return pages
  }
  return { listing, walk, asked: () => asked, most: () => most, selected: () => selected }
}

t.test('the statuses of a page are looked up at once, and few that it does not show', async (t) => {
  const { listing, asked, most } = setUp()
  const { items, nextCursor } = await listing.page({ limit: 50 }, ANYBODY)
  t.equal(items.length, 50)
  t.type(nextCursor, 'string')
  t.equal(asked(), 51)
  t.equal(most(), 51)
})

t.test('page by page each integration comes once, in order', async (t) => {
  for (const limit of [1, 7, 100, 200]) {
    const pages = await setUp().walk({ limit })
    t.same(
      pages.flat(),
      ALL.map(({ name }) => name),
    )
    t.ok(pages.every((page) => page.length <= limit))
  }
})

t.test('a state that few have is found behind those that have another', async (t) => {
  const isRefused = (name: string) => name.endsWith('49')
  const pages = await setUp((name) => (isRefused(name) ? 'refused' : 'ready')).walk({
    ...{ limit: 2, state: 'refused' as const },
  })
  t.same(pages.flat(), ['n049', 'n149', 'n249', 'n349', 'n449'])
})

t.test('with the index, only integrations of the state are looked at', async (t) => {
  const isRefused = (name: string) => name.endsWith('49')
  const world = setUp((name) => (isRefused(name) ? 'refused' : 'ready'), true)
  const pages = await world.walk({ limit: 200, state: 'refused' })
  t.same(pages.flat(), ['n049', 'n149', 'n249', 'n349', 'n449'])
  t.equal(world.asked(), 5)
  t.equal(world.selected(), 1)
})

t.test('a page without a filter does not ask the index', async (t) => {
  const { walk, selected } = setUp()
  await walk({ limit: 200 })
  t.equal(selected(), 0)
})

t.test('what is frozen by name is read by name, page by page', async (t) => {
  const names = ['gone', 'n003', 'n200', 'n449']
  const { walk, asked } = setUp(undefined, false, {
    places: async () => ({ names, reaches: [] }),
    has: async ({ name }) => names.includes(name),
  })
  t.same(await walk({ limit: 2, state: 'frozen' }), [['n003', 'n200'], ['n449']])
  t.ok(asked() < 10, `${asked()} statuses`)
})

t.test(
  'where anything may be frozen, only the status of what is frozen is looked up',
  async (t) => {
    const { walk, asked } = setUp(undefined, false, {
      places: async () => ({ names: ['n001'], reaches: [{ prefix: '', groups: [] }] }),
      has: async ({ name }) => name.endsWith('7'),
    })
    t.same((await walk({ limit: 100, state: 'frozen' })).flat().length, 45)
    t.equal(asked(), 45)
  },
)

t.test('nothing is frozen', async (t) => {
  const { walk, asked } = setUp()
  t.same(await walk({ limit: 100, state: 'frozen' }), [[]])
  t.equal(asked(), 0)
})
