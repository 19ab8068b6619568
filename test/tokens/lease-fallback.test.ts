/** Orders of what others do to a lease, what this replica hears of it, and a store that comes and goes. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import type { LeaseRecord } from '../../src/store/store.ts'
import { createStoreReads } from '../../src/tokens/mint/retry.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { createLeaseCache, type Entry } from '../../src/tokens/serve/lease-cache.ts'
import { createLeaseReader } from '../../src/tokens/serve/lease-reader.ts'
import { definitionOf } from '../support/integrations.ts'
import { testRuntime } from '../support/runtime.ts'
import { content } from '../support/store-engines.ts'

const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const RUNS = Number(process.env.VALETKEY_MODEL_RUNS ?? 300)
const NAME = 'a'
const LIFE_MS = 60_000
const DEGRADED_MS = 900_000
const DEFINITION = definitionOf()

type Step =
  | { readonly does: 'refresh'; readonly same: boolean }
  | { readonly does: 'refuse' | 'revoke' | 'take back' | 'change' | 'hear' | 'read' }
  | { readonly does: 'store'; readonly isThere: boolean }
  | { readonly does: 'pass'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.boolean().map((same): Step => ({ does: 'refresh', same })) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'refuse' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'revoke' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'take back' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'change' }) },
  { weight: 6, arbitrary: fc.constant<Step>({ does: 'hear' }) },
  { weight: 6, arbitrary: fc.constant<Step>({ does: 'read' }) },
  { weight: 3, arbitrary: fc.boolean().map((isThere): Step => ({ does: 'store', isThere })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(100, 5_000, 40_000).map((ms): Step => ({ does: 'pass', ms })),
  },
)

/** What this replica may and must serve without the store: what it read last, as long as nothing that it heard took it back. */
interface Held {
  readonly tokenId: string
  readonly expiresAt: number
  readonly rev: number
}

/** Gives how often it served without the store, and how often of that what had become old. */
async function run(steps: readonly Step[]): Promise<{ servings: number; fallbacks: number }> {
  const total = { servings: 0, fallbacks: 0 }
  const dataDir = mkdtempSync(join(FOLDER, 'valetkey-fallback-'))
  let time = 1_000_000
  let isThere = true
  let epoch = 1
  let heardAt = time
  let tokens = 0
  let held: Held | undefined
  let isSuperseded = false
  const store = createEmbeddedStore({ dataDir, now: () => time })
  await store.integrations.create(NAME, 'u', content({ definition: DEFINITION }))
  let cursor = await store.changes.tail()

  const cache = createLeaseCache({
    stream: { isCurrent: () => isThere, epoch: () => epoch, silentForMs: () => time - heardAt },
    open: async (look, { tokenId, digest, expiresAt }: LeaseRecord) =>
      ({ integration: NAME, uid: look.integration.uid, tokenId, digest, expiresAt }) as Lease,
    isSlow: () => false,
    degradedMs: DEGRADED_MS,
    monotonic: () => time,
  })
  const reader = createLeaseReader({
    cache,
    isSlow: () => false,
    outcomes: {
      async look(name) {
        if (!isThere) throw new BrokerError('store_unavailable', 'It is away')
        return store.outcomes.look(name)
      },
    },
    flights: { join: (_key, work) => ({ result: work(), joined: false }) },
    subscription: { onceChanged: () => () => undefined },
    runtime: testRuntime(),
    untilRead: createStoreReads({
      stream: { isCurrent: () => isThere },
      runtime: testRuntime({ monotonic: () => time, sleep: async () => undefined }),
      stopping: new AbortController().signal,
    }),
  })

  const current = async () => {
    const look = await store.outcomes.look(NAME)
    if (!look) throw new Error('it is there')
    return look
  }
  const save = async (change: Parameters<typeof store.outcomes.save>[2]) => {
    const { uid, orev } = (await current()).integration
    await store.outcomes.save(NAME, { uid, orev }, change)
  }

  const hear = async () => {
    if (!isThere) return
    const { entries, cursor: next, gap } = await store.changes.read(cursor)
    if (gap) throw new Error('nothing is trimmed')
    for (const change of entries) {
      cache.heard(change)
      if (!held) continue
      if (change.type === 'integration' && change.rev > held.rev) {
        if (change.isNewer) isSuperseded = true
        else held = undefined
      }
      if (change.type === 'dead') {
        // What is newer than the revocation was read after it.
        const isFormer = isSuperseded && change.names?.includes(NAME)
        if (change.tokenId === held?.tokenId || isFormer) held = undefined
      }
    }
    cursor = next
    heardAt = time
  }

  const read = async () => {
    const isGood = ({ lease }: Entry) => lease !== undefined && lease.expiresAt > time
    const reading = await reader.read(NAME, isGood).catch((error: BrokerError) => error)
    if (isThere) {
      if (reading instanceof Error) throw reading
      const { integration, outcome } = await current()
      const { entry } = reading
      if (entry?.rev !== integration.rev) throw new Error(`it gave ${entry?.rev}`)
      if (entry.lease?.tokenId !== outcome.lease?.tokenId) throw new Error('another lease')
      // What was not heard yet of what was read now comes later, and changes nothing.
      held = outcome.lease && { ...outcome.lease, rev: integration.rev }
      isSuperseded = false
      return
    }
    const isAlive = held !== undefined && held.expiresAt > time
    const lease = reading instanceof Error ? undefined : reading.entry?.lease
    const served = lease && lease.expiresAt > time ? lease.tokenId : undefined
    if (isAlive && served !== held?.tokenId) throw new Error(`${held?.tokenId} is good: ${served}`)
    if (!isAlive && served !== undefined) throw new Error(`${served} was served`)
    if (served !== undefined) total.servings += 1
    if (served !== undefined && isSuperseded) total.fallbacks += 1
  }

  try {
    for (const step of steps) {
      switch (step.does) {
        case 'refresh': {
          if (!step.same || tokens === 0) tokens += 1
          const tokenId = `token-${tokens}`
          const expiresAt = time + LIFE_MS
          await save({ lease: { body: 'sealed', digest: 'd1', tokenId, expiresAt } })
          break
        }
        case 'refuse': {
          const { version } = (await current()).integration
          await save({ refusal: { body: '{}', version, until: time + 1_000 } })
          break
        }
        case 'revoke': {
          const { lease } = (await current()).outcome
          if (lease) await store.outcomes.revoke(lease.tokenId, time + LIFE_MS)
          tokens += 1
          break
        }
        case 'take back':
          await save({ lease: null })
          break
        case 'change': {
          const { uid, version } = (await current()).integration
          await store.integrations.change(
            NAME,
            { uid, version },
            content({ definition: DEFINITION }),
          )
          break
        }
        case 'store':
          // A reader that was cut off begins anew: there is a gap.
          if (step.isThere && !isThere) {
            epoch += 1
            cache.distrust()
            cursor = await store.changes.tail()
            held = undefined
            heardAt = time
            isThere = true
            await read()
          }
          isThere = step.isThere
          break
        case 'pass':
          time += step.ms
          if (isThere) heardAt = time
          break
        case 'hear':
          await hear()
          break
        case 'read':
          await read()
      }
    }
    return total
  } finally {
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

const REFRESHED: readonly Step[] = [
  { does: 'refresh', same: false },
  { does: 'read' },
  { does: 'refresh', same: false },
  { does: 'hear' },
]
const AWAY: readonly Step[] = [{ does: 'store', isThere: false }, { does: 'read' }]

t.test(
  'what only became old serves without the store, and what was taken back never',
  async (t) => {
    const seen = { servings: 0, fallbacks: 0 }
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 30, size: 'max' }),
      async (of) => {
        const { servings, fallbacks } = await run(of)
        seen.servings += servings
        seen.fallbacks += fallbacks
      },
    )
    // Chance may leave out in all of its runs what the second count is about.
    await fc.assert(property, { numRuns: RUNS, examples: [[[...REFRESHED, ...AWAY]]] })
    t.comment(`${seen.servings} served without the store, ${seen.fallbacks} of them superseded`)
    t.ok(seen.fallbacks > 0)
  },
)

t.test('a lease that was refreshed elsewhere serves when the store is away', async (t) => {
  t.same(await run([...REFRESHED, ...AWAY]), { servings: 1, fallbacks: 1 })
  t.same(await run([...REFRESHED, { does: 'refuse' }, { does: 'hear' }, ...AWAY]), {
    servings: 1,
    fallbacks: 1,
  })
})

t.test('it serves no more once anything was taken back, be it of the newer one', async (t) => {
  for (const does of ['revoke', 'take back', 'change'] as const) {
    const steps: readonly Step[] = [...REFRESHED, { does }, { does: 'hear' }, ...AWAY]
    t.same(await run(steps), { servings: 0, fallbacks: 0 }, does)
  }
})
