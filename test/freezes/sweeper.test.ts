import t, { type Test } from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { type Freeze, newProgress, PROGRESS, type Selector } from '../../src/freezes/freeze.ts'
import { createFreezeSweeper } from '../../src/freezes/sweeper.ts'
import type { Integration } from '../../src/integrations/integration.ts'
import { eventually } from '../support/eventually.ts'
import { integrationOf } from '../support/integrations.ts'
import { testRuntime } from '../support/runtime.ts'
import { openEmbedded } from '../support/store-engines.ts'

const LOCK = 'freezes:sweep'

const freezeOf = (id: string, selector: Partial<Selector>, more: Partial<Freeze> = {}): Freeze => ({
  selector: { integrations: [], labels: {}, clientIds: [], orgIds: [], all: false, ...selector },
  ...{ id, reason: 'a test', since: 0, by: 'admin', revoke: true, revokeRefreshTokens: false },
  ...more,
})

interface World {
  readonly freezes: readonly Freeze[]
  /** In pages of one. Default: billing, crm and stock. */
  readonly names?: readonly string[]
  /** Called with the name of each page before it is given. */
  readonly onPage?: (name: string) => Promise<void>
  readonly orgOf?: (integration: Integration) => Promise<string | undefined>
}

/** A store whose clock stands still unless a test moves it, and a sweeper whose pauses take a turn of the event loop. */
async function world(t: Test, { freezes, names = ['billing', 'crm', 'stock'], ...on }: World) {
  const { store, pass } = await openEmbedded(t)
  let ahead = 0
  const held: string[] = []
  const ended: string[] = []
  const troubles: unknown[] = []
  const sweeper = createFreezeSweeper({
    gate: { list: async () => freezes, of: async () => [], count: () => freezes.length },
    store,
    integrations: {
      async list({ after }) {
        const at = after === undefined ? 0 : names.indexOf(after) + 1
        const name = names[at] ?? ''
        await on.onPage?.(name)
        return {
          items: [integrationOf({ name })],
          next: at + 1 < names.length ? name : null,
        }
      },
      read: async (name) => integrationOf({ name }),
      orgOf: on.orgOf ?? (async () => undefined),
    },
    tokens: {
      async hold(name) {
        held.push(name)
        return { tokenId: `T-${name}`, expiresAt: 1, isQueued: true }
      },
      holdRefreshToken: async () => '',
      drop: async () => undefined,
      async endConnection({ name }, _freeze, note) {
        await note(`R-${name}`)
        ended.push(name)
        return true
      },
      async *waiting() {
        yield* []
      },
      wake: () => undefined,
    },
    runtime: testRuntime({
      monotonic: () => ahead,
      sleep: () => new Promise((resolve) => setImmediate(resolve)),
    }),
    outage: { report: (error) => troubles.push(error), over: () => undefined },
  })
  t.teardown(() => sweeper.stop())
  return {
    ...{ store, sweeper, held, ended, troubles },
    /** On every clock. */
    async pass(ms: number) {
      ahead += ms
      await pass(ms)
    },
    progressOf: async (id: string) => (await PROGRESS.read(store.documents, id))?.body,
    async isSwept(id: string) {
      return (await PROGRESS.read(store.documents, id))?.body.sweptAt != null
    },
  }
}

t.test('a count that takes longer than the lock lives keeps the lock', async (t) => {
  const rivals: boolean[] = []
  const own = await world(t, {
    freezes: [freezeOf('frz_1', { all: true })],
    names: Array.from({ length: 6 }, (_, index) => `many-${index}`),
    async onPage() {
      rivals.push(await own.store.locks.acquire(LOCK, 'rival', 1))
      await own.pass(3_000)
    },
  })
  own.sweeper.start()
  await eventually(() => own.isSwept('frz_1'))
  t.same(new Set(rivals), new Set([false]))
  t.match(await own.progressOf('frz_1'), { selected: 6, lookedAt: 6, found: 6 })
})

t.test('a freeze whose progress cannot be read stops no other', async (t) => {
  const own = await world(t, {
    freezes: [freezeOf('frz_1', { all: true }), freezeOf('frz_2', { integrations: ['crm'] })],
  })
  await own.store.documents.write('freeze', 'frz_1', '{}', { expected: 'absent' })
  own.sweeper.start()
  await eventually(() => own.isSwept('frz_2'))
  t.same(own.held, ['crm'])
  await eventually(() => own.troubles.length > 0)
  t.match(own.troubles[0], { code: 'record_corrupt' })
})

t.test('an integration whose org cannot be read keeps no other of the org', async (t) => {
  const own = await world(t, {
    freezes: [freezeOf('frz_1', { orgIds: ['00D000000000001'] })],
    async orgOf({ name }) {
      if (name === 'crm') throw new BrokerError('record_corrupt', 'It is damaged')
      return '00D000000000001EAA'
    },
  })
  own.sweeper.start()
  await eventually(() => own.isSwept('frz_1'))
  t.same(own.held, ['billing', 'stock'])
  t.same(own.troubles, [])
})

t.test('a gap during a sweep is not forgotten at its end', async (t) => {
  const pages: string[] = []
  const own = await world(t, {
    freezes: [freezeOf('frz_1', { integrations: ['billing'] })],
    async onPage(name) {
      pages.push(name)
      if (pages.length === 2) own.sweeper.distrust()
    },
  })
  own.sweeper.start()
  await eventually(async () => (await own.progressOf('frz_1'))?.found === 2)
  t.equal(pages.length, 6)
  t.match(await own.progressOf('frz_1'), { selected: 1, lookedAt: 1 })
})

t.test('a refresh token is noted before its connection ends, and counts as a token', async (t) => {
  const freeze = freezeOf('frz_1', { all: true }, { revokeRefreshTokens: true })
  const own = await world(t, { freezes: [freeze], names: ['billing', 'crm'] })
  await PROGRESS.write(
    own.store.documents,
    'frz_1',
    // As after a crash: the connection of billing was about to end.
    { ...newProgress(freeze), pending: ['T-billing', 'R-billing'] },
    { expected: 'absent' },
  )
  own.sweeper.start()
  await eventually(() => own.isSwept('frz_1'))
  t.match(await own.progressOf('frz_1'), { found: 4, connections: 2, pending: [] })
  t.same(own.ended, ['billing', 'crm'])
})
