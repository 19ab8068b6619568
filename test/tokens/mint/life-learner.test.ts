import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { LeaseRecords } from '../../../src/tokens/mint/lease-records.ts'
import { createLifeLearner } from '../../../src/tokens/mint/life-learner.ts'
import type { MintCoordinator } from '../../../src/tokens/mint/mint-coordinator.ts'
import {
  assumedLife,
  type Lease,
  leaseWith,
  type MintResult,
} from '../../../src/tokens/serve/lease.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import type { TokenRequirement } from '../../../src/tokens/serve/token-requirement.ts'
import { entryOf, leaseOf } from '../../support/integrations.ts'
import { testLog } from '../../support/runtime.ts'

const mintedAs = (tokenId: string) =>
  leaseWith(leaseOf({ tokenId }), assumedLife(0, 900), { random: () => 0 })
const minted = mintedAs('t')
const another = leaseOf({ tokenId: 'another', mintedAt: 5_000, expiresAt: 450_000 })
const BY = { principal: null, requestId: 'r' }

/** `then`: what the integration has when the life was asked for. `learned`: what Salesforce says; undefined: the token is dead. `others` are minted first. */
function learner(
  then: Entry | undefined,
  learned: Promise<Lease | undefined>,
  others: readonly Lease[] = [],
) {
  const asked: TokenRequirement['kind'][] = []
  const ended: string[] = []
  const learning: string[] = []
  let time = 0
  const results: MintResult[] = [
    ...others.map((lease) => ({ lease, isFresh: true, isSaved: true })),
    { lease: minted, isFresh: true, isSaved: true },
    { lease: another, isFresh: false, isSaved: true },
  ]
  const run: MintCoordinator['run'] = (_entry, { kind }) => {
    if (kind === 'replace') return { result: new Promise(() => undefined), joined: false }
    const result = results[asked.length]
    asked.push(kind)
    if (!result) throw new Error('The test expects no more mints')
    return { result: Promise.resolve(result), joined: false }
  }
  const records: Pick<LeaseRecords, 'look' | 'saveLife'> = {
    look: async () => then,
    saveLife: async () => then?.lease,
  }
  const life = createLifeLearner({
    minter: {
      learn({ tokenId }) {
        learning.push(tokenId)
        return learned
      },
    },
    records,
    coordinator: { run },
    revoker: {
      async endProvenDead({ tokenId }) {
        ended.push(tokenId)
      },
    },
    degraded: { learned: () => undefined, lease: () => undefined },
    flights: { join: (_key, work) => ({ result: work(), joined: false }) },
    host: {
      runtime: { now: () => time, monotonic: () => time },
      log: testLog(),
      stopping: new AbortController().signal,
    },
  })
  const mint = async (minTtlMs = 3_600_000) =>
    (await life.coordinator.run(entryOf(), { kind: 'need', minTtlMs }, BY).result).lease
  return {
    ...{ mint, asked, ended, learning },
    /** A mint that goes on. */
    mintForever: () => void life.coordinator.run(entryOf(), { kind: 'replace', mintedAt: 0 }, BY),
    read: () => life.read(minted),
    pass(ms: number) {
      time += ms
    },
  }
}

t.test(
  'who waits for the life of a token does not get it when it was revoked meanwhile',
  async (t) => {
    const { mint, asked } = learner(entryOf(), Promise.resolve(leaseOf({ expiresAt: 9_000_000 })))
    t.equal((await mint()).tokenId, 'another')
    t.same(asked, ['need', 'need'], 'what the integration has now answers')
  },
)

t.test('a token that was revoked meanwhile did not prove dead, and none replaces it', async (t) => {
  const { mint, asked, ended } = learner(entryOf(), Promise.resolve(undefined))
  t.equal((await mint()).tokenId, 'another')
  t.same(ended, [])
  t.same(asked, ['need', 'need'], 'only who asks gets another one')
})

t.test('a dead token of a disabled integration ends, and none replaces it', async (t) => {
  const { integration } = entryOf()
  const disabled = entryOf({ lease: minted, integration: { ...integration, enabled: false } })
  const { mint, asked, ended } = learner(disabled, Promise.resolve(undefined))
  await mint()
  t.same(ended, ['t'])
  t.same(asked, ['need', 'need'])
})

t.test('who waits for the life of a token is answered before giving up', async (t) => {
  const waits: (number | undefined)[] = []
  const never = Promise.withResolvers<Lease | undefined>()
  const { mint, pass } = learner(entryOf({ lease: minted }), never.promise)
  t.intercept(globalThis, 'setTimeout', {
    value: (end: () => void, ms?: number) => {
      waits.push(ms)
      end()
    },
  })
  const answer = mint()
  pass(8_500)
  t.equal((await answer).tokenId, 'another')
  t.same(waits, [500], 'of the ten seconds of a caller, the mint took most')
})

t.test('the life of a token is learned once, after the answer', async (t) => {
  const { mint, learning } = learner(entryOf({ lease: minted }), Promise.resolve(minted))
  t.equal((await mint(0)).tokenId, 't')
  t.same(learning, [], 'its first caller is answered first')
  await nextTurn()
  t.same(learning, ['t'])
})

t.test('who needs the life of a token does not wait for the others', async (t) => {
  const learned = Promise.withResolvers<Lease | undefined>()
  const life = learner(entryOf({ lease: minted }), learned.promise)
  life.mintForever()
  const answer = life.mint()
  await Promise.resolve()
  await nextTurn()
  t.same(life.learning, ['t'])
  learned.resolve(minted)
  t.equal((await answer).tokenId, 't')
})

t.test('the life of a token is learned after the mints that wait', async (t) => {
  const { mint, mintForever, learning, read } = learner(
    entryOf({ lease: minted }),
    Promise.resolve(minted),
  )
  mintForever()
  await mint(0)
  await nextTurn()
  t.same(learning, [])
  read()
  await nextTurn()
  t.same(learning, [], 'it is not yet for another replica either')
})

t.test('the life of a token waits 20 seconds for mints at most', async (t) => {
  const { mint, mintForever, learning } = learner(
    entryOf({ lease: minted }),
    Promise.resolve(minted),
  )
  const { setTimeout } = globalThis
  const waits: (number | undefined)[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (end: () => void, ms?: number) => {
      waits.push(ms)
      return setTimeout(end, 3_600_000)
    },
  })
  mintForever()
  await mint(0)
  await nextTurn()
  t.same(waits, [20_000])
  t.same(learning, [])
})

t.test('a life for which there is no room is learned where the token is read', async (t) => {
  const others = Array.from({ length: 10_000 }, (_, at) => mintedAs(`${at}`))
  const life = learner(entryOf({ lease: minted }), Promise.resolve(minted), others)
  const { mint, mintForever, learning, read, pass } = life
  mintForever()
  for (let count = others.length; count >= 0; count -= 1) await mint(0)
  await nextTurn()
  t.same(learning, [], 'none begins too early')
  read()
  t.same(learning, [], 'nor before another replica might')
  pass(minted.learnBy ?? 0)
  read()
  t.same(learning, ['t'])
})
