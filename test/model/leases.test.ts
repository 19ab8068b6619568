import { randomInt } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { COMMANDS, everyRead } from './arbitraries.ts'
import {
  DEGRADED_MS,
  LOGIN_URLS,
  mend,
  put,
  type Reality,
  read,
  requireNoViolation,
} from './commands.ts'
import { createFakeSalesforce } from './fake-salesforce.ts'
import { startFakeTime } from './fake-time.ts'
import { createOracle } from './oracle.ts'
import { type Replica, startReplica, type World } from './replica.ts'
import { outlived, plainRead } from './stories.ts'

const RUNS = Number(process.env.VALETKEY_MODEL_RUNS ?? 60)
const SEED = Number(process.env.VALETKEY_MODEL_SEED ?? randomInt(2 ** 31))
const COMMANDS_MAX = 40
/** Longer than any rest of a login host. */
const REST_MS = 61_000

/** Small, and all that a reproducible run needs. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const total = { servings: 0, requests: 0, runs: 0, commands: 0 }

/** Memory, where there is such a folder: the runs are many. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

async function withReality(
  seed: number,
  { repeats, says }: { readonly repeats: boolean; readonly says: boolean },
  work: (reality: Reality) => Promise<void>,
) {
  const dataDir = mkdtempSync(join(FOLDER, 'valetkey-model-'))
  const time = startFakeTime()
  const random = seeded(seed)
  const lines: string[] = []
  const store = createEmbeddedStore({ dataDir, now: time.now })
  const salesforce = createFakeSalesforce({
    ...{ now: time.now, random, sleep: time.sleep, repeats, says },
  })
  let ids = 0
  const world: World = {
    time,
    store,
    salesforce,
    random,
    degradedMs: DEGRADED_MS,
    uniqueId() {
      ids += 1
      return `id-${ids}`
    },
  }
  const replicas: Replica[] = [startReplica(world), startReplica(world)]
  const reality: Reality = {
    time,
    salesforce,
    oracle: createOracle({ salesforce, degradedMs: DEGRADED_MS, now: time.now }),
    replicas,
    restart(index) {
      replicas[index]?.crash()
      replicas[index] = startReplica(world)
    },
    underWay: new Set(),
    violations: [],
    served: new Map<string, Lease>(),
    log: (text) => lines.push(text),
    occasions: 0,
    servings: 0,
    wasRefused: false,
  }
  try {
    await time.advance(100)
    await work(reality)
  } catch (error) {
    const { message } = error as Error
    throw new Error(`${message}\n${lines.join('\n')}`, { cause: error })
  } finally {
    for (const replica of replicas) replica.crash()
    await time.advance(100)
    time.stop()
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

t.test('never serves what must not be served, whatever happens', async (t) => {
  t.comment(`VALETKEY_MODEL_SEED=${SEED} VALETKEY_MODEL_RUNS=${RUNS}`)
  const property = fc.asyncProperty(
    fc.commands(COMMANDS, { maxCommands: COMMANDS_MAX, size: 'max' }),
    fc.nat(),
    fc.record({ repeats: fc.boolean(), says: fc.boolean() }),
    (commands, seed, answers) =>
      withReality(seed, answers, async (reality) => {
        await fc.asyncModelRun(() => ({ model: {}, real: reality }), commands)
        await end(reality)
        total.runs += 1
        total.commands += [...commands].length
      }),
  )
  await fc.assert(property, { numRuns: RUNS, seed: SEED })
  t.comment(`${total.runs} runs, ${total.commands} commands, ${total.servings} tokens served`)
  t.comment(`${total.requests} token requests`)
  t.ok(total.servings > 0)
})

t.test(
  'a token that nobody holds any more, and that Salesforce gives again, is not served to who rejects it',
  async (t) => {
    for (const says of [true, false]) {
      await withReality(1, { repeats: true, says }, async (reality) => {
        const steps = [
          put(0, 'c', LOGIN_URLS[0], 'client-1', true, true),
          plainRead(0, 'c'),
          outlived(0, 'c', 'up'),
          mend,
          read(0, 'c', 0, 'current', true),
        ]
        for (const step of steps) await step.run({}, reality)
        t.ok(reality.served.has('c'))
      })
    }
  },
)

/** When all is well again, all is well. */
async function end(reality: Reality): Promise<void> {
  const { time, salesforce, replicas, oracle } = reality
  await mend.run({}, reality)
  await time.advance(REST_MS)
  requireNoViolation(reality)
  if (reality.underWay.size > 0) throw new Error('A request never came to an end')
  for (const read of everyRead) await read.run({}, reality)
  for (const name of ['a', 'b', 'c']) {
    const loginUrl = oracle.certain(name)?.loginUrl
    const lease = reality.served.get(name)
    if (loginUrl === undefined || reality.wasRefused) continue
    if (!lease || lease.expiresAt <= time.now() - REST_MS) throw new Error(`${name} gets no token`)
    if (salesforce.issued(lease.tokenId)?.revokedAt !== undefined) {
      throw new Error(`${name} gets a dead token, although all is well`)
    }
  }
  for (const replica of replicas) {
    if (!replica.subscription.isCurrent()) throw new Error('A replica does not hear the store')
  }
  const requests = LOGIN_URLS.reduce((sum, loginUrl) => sum + salesforce.requests(loginUrl), 0)
  const seconds = time.monotonic() / 1_000
  const most = reality.occasions * 6 + seconds * 1.5
  if (requests > most) throw new Error(`${requests} token requests, where ${most} had been enough`)
  total.servings += reality.servings
  total.requests += requests
}
