import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AuditEntry } from '../../src/audit/event.ts'
import type { Credential } from '../../src/credentials/credential.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { Integration } from '../../src/integrations/integration.ts'
import {
  type CertificateEnd,
  certificateEnds,
  createExpiryNotifier,
  THRESHOLDS,
  thresholdOf,
} from '../../src/rotation/expiry-notifier.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const DAY_MS = 86_400_000
const START = Date.parse('2026-11-22T10:00:00Z')

const credential = (id: string, notAfter: number | null, state = 'active') =>
  ({
    id,
    state,
    type: 'certificate',
    certificate: notAfter === null ? null : { notAfter },
  }) as Credential

const integration = (name: string, credentials: readonly Credential[]) =>
  ({ name, credentials }) as Integration

/** In pages of two, as a store gives them. */
const listing = (all: readonly Integration[]) => ({
  async list({ after }: { readonly limit: number; readonly after?: string }) {
    const from = after === undefined ? 0 : all.findIndex(({ name }) => name === after) + 1
    const items = all.slice(from, from + 2)
    return { items, next: from + 2 < all.length ? (items.at(-1)?.name ?? null) : null }
  },
})

/** A clock that is moved by hand, and as many replicas over one store as are started. */
async function setUp(t: Test, all: readonly Integration[]) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-expiry-notifier-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  let now = START
  const store = createEmbeddedStore({ dataDir, now: () => now })
  t.teardown(() => store.close())
  const said: AuditEntry[] = []
  const warnings: object[] = []
  const sleepers: (() => void)[] = []
  const naps: number[] = []
  const start = (list = listing(all)) => {
    const expiryNotifier = createExpiryNotifier({
      store: list,
      documents: store.documents,
      audit: { background: (_by, entry) => said.push(entry) },
      runtime: testRuntime({
        now: () => now,
        sleep: (ms, signal) => {
          naps.push(ms)
          return new Promise((resolve) => {
            sleepers.push(resolve)
            signal?.addEventListener('abort', () => resolve(), { once: true })
          })
        },
      }),
      log: testLog({ warn: (bindings) => warnings.push(bindings) }),
    })
    t.teardown(() => expiryNotifier.stop())
    expiryNotifier.start()
  }
  /** Every replica looks once more, at this time. */
  const at = async (daysAfterStart: number) => {
    now = START + daysAfterStart * DAY_MS
    const waking = sleepers.splice(0)
    for (const wake of waking) wake()
    await eventually(() => sleepers.length === waking.length)
  }
  return {
    start,
    at,
    said,
    warnings,
    naps,
    asleep: (count: number) => eventually(() => sleepers.length === count),
  }
}

t.test('the narrowest threshold that is reached counts', async (t) => {
  const day = 86_400
  t.equal(thresholdOf(60 * day + 1), undefined)
  t.equal(thresholdOf(60 * day), 60)
  t.equal(thresholdOf(30 * day + 1), 60)
  t.equal(thresholdOf(14 * day), 14)
  t.equal(thresholdOf(1), 1)
  t.equal(thresholdOf(0), 0)
  t.equal(thresholdOf(-5 * day), 0)
})

t.test('each threshold is said once for the fleet, with a line and an event', async (t) => {
  const { start, at, said, warnings, asleep } = await setUp(t, [
    integration('billing', [credential('c1', START + 100 * DAY_MS)]),
  ])
  for (let replica = 0; replica < 3; replica += 1) start()
  await asleep(3)
  t.same(said, [])
  for (let day = 1; day <= 105; day += 1) await at(day)
  t.same(
    said,
    THRESHOLDS.map((days) => ({
      action: 'certificate.expiring',
      integration: 'billing',
      detail: { credential: 'c1', days },
    })),
  )
  t.match(
    warnings,
    THRESHOLDS.map((days) => ({ integration: 'billing', days })),
  )
})

t.test('what was leaped over is not said, and a new certificate begins anew', async (t) => {
  const first = integration('billing', [credential('c1', START + 10 * DAY_MS)])
  const { start, at, said, asleep } = await setUp(t, [first])
  start()
  await asleep(1)
  await at(1)
  t.same(
    said.map(({ detail }) => detail),
    [{ credential: 'c1', days: 14 }],
  )
  start(listing([integration('billing', [credential('c2', START + 8 * DAY_MS)])]))
  await asleep(2)
  t.same(
    said.map(({ detail }) => detail?.days),
    [14, 7],
  )
})

t.test('rows come from every page, of active certificates alone', async (t) => {
  const end = START + DAY_MS
  const all = [
    integration('a', [credential('a1', end), credential('a2', end + 1, 'staged')]),
    integration('b', []),
    integration('c', [credential('c1', null)]),
    integration('d', [credential('d1', end, 'retired'), credential('d2', START - 1000)]),
    integration('e', [credential('e1', end)]),
  ]
  const rows: CertificateEnd[] = []
  for await (const row of certificateEnds(listing(all), () => START)) rows.push(row)
  t.same(
    rows.map(({ credential: id, secondsToExpiry }) => [id, secondsToExpiry]),
    [
      ['a1', 86_400],
      ['d2', -1],
      ['e1', 86_400],
    ],
  )
})

t.test('a store that is away is asked again after a minute', async (t) => {
  const { start, said, warnings, naps, asleep, at } = await setUp(t, [])
  let isAway = true
  const all = listing([integration('billing', [credential('c1', START)])])
  start({
    async list(page) {
      if (isAway) throw new BrokerError('store_unavailable', 'The store does not answer')
      return all.list(page)
    },
  })
  await asleep(1)
  t.match(warnings, [{ err: { code: 'store_unavailable' } }])
  isAway = false
  await at(0)
  t.match(said, [{ detail: { days: 0 } }])
  t.same(naps, [60_000, 3_600_000])
})
