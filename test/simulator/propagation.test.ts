import t from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import {
  mintByAssertion,
  mintBySecret,
  newSigningKey,
  simulatorFor,
  useToken,
} from './requester.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const propagation = { nodes: 8, minMs: 2 * MINUTE_MS, maxMs: 10 * MINUTE_MS }

/** A simulator whose clock stands still unless moved, with changes that take 2 to 10 minutes. */
function spreading(test: { teardown(fn: () => Promise<void>): void }, seed = 1) {
  const start = Date.now()
  return simulatorFor(test, {
    now: () => start,
    seed,
    settings: { propagation, assertionsByWallClock: true },
  })
}

async function outcomes(mint: () => Promise<{ status: number }>, times = 40): Promise<string> {
  let text = ''
  for (let index = 0; index < times; index += 1) text += (await mint()).status === 200 ? '+' : '-'
  return text
}

t.test('mixes the old and the new while a certificate spreads', async (t) => {
  const [oldKey, newKey] = [await newSigningKey(), await newSigningKey()]
  const simulator = await spreading(t)
  const app = simulator.addJwtApp({ certificatePem: oldKey.certificatePem })
  simulator.clock.advance(10 * MINUTE_MS)
  simulator.updateApp(app.clientId, { certificatePem: newKey.certificatePem })
  const withOld = () => mintByAssertion(app, oldKey)
  const withNew = () => mintByAssertion(app, newKey)

  t.notMatch(await outcomes(withOld), /-/, 'nothing has changed yet')
  t.notMatch(await outcomes(withNew), /\+/)
  simulator.clock.advance(6 * MINUTE_MS)
  t.match(await outcomes(withOld), /\+.*-|-.*\+/, 'some nodes have it')
  t.match(await outcomes(withNew), /\+.*-|-.*\+/)
  simulator.clock.advance(4 * MINUTE_MS)
  t.notMatch(await outcomes(withOld), /\+/, 'all nodes have it')
  t.notMatch(await outcomes(withNew), /-/)
})

t.test('does not know an app that was just made', async (t) => {
  const simulator = await spreading(t)
  const app = simulator.addClientCredentialsApp()
  t.match((await mintBySecret(app)).members, {
    error: 'invalid_client_id',
    error_description: 'client identifier invalid',
  })
  simulator.clock.advance(10 * MINUTE_MS)
  t.notMatch(await outcomes(() => mintBySecret(app)), /-/)
})

t.test('mixes alike with the same seed, and differently with another', async (t) => {
  const run = async (seed: number) => {
    const simulator = await spreading(t, seed)
    const app = simulator.addClientCredentialsApp()
    simulator.clock.advance(6 * MINUTE_MS)
    return outcomes(() => mintBySecret(app))
  }
  const first = await run(1)
  t.equal(await run(1), first)
  t.not(await run(2), first)
})

async function works(app: AppSeed): Promise<boolean> {
  return (await mintBySecret(app)).status === 200
}

/** A simulator whose clock stands still unless moved. */
function frozen(test: { teardown(fn: () => Promise<void>): void }): Promise<Simulator> {
  const start = Date.now()
  return simulatorFor(test, { now: () => start })
}

t.test('keeps the old secret of an external client app for 30 days after a rotation', async (t) => {
  const simulator = await frozen(t)
  const before = simulator.addClientCredentialsApp()
  const staged = { ...before, ...simulator.stageCredentials(before.clientId) }
  t.equal(staged.clientId, before.clientId)
  t.notOk(await works(staged), 'staged is not yet valid')
  simulator.rotateCredentials(before.clientId)
  t.ok(await works(staged))
  t.ok(await works(before))
  simulator.clock.advance(30 * DAY_MS)
  t.ok(await works(staged))
  t.notOk(await works(before))
})

t.test('stages a new consumer key too where asked', async (t) => {
  const simulator = await frozen(t)
  const before = simulator.addClientCredentialsApp()
  const staged = simulator.stageCredentials(before.clientId, { newKey: true })
  t.not(staged.clientId, before.clientId)
  simulator.rotateCredentials(before.clientId)
  t.ok(await works({ ...before, ...staged }))
  t.ok(await works(before))
  simulator.clock.advance(30 * DAY_MS)
  t.notOk(await works(before))
})

t.test('revokes all that a connected app had when its credentials are applied', async (t) => {
  const simulator = await frozen(t)
  const app = simulator.addClientCredentialsApp({ kind: 'connected_app' })
  const token = String((await mintBySecret(app)).members.access_token)
  const staged = simulator.stageCredentials(app.clientId)
  simulator.rotateCredentials(app.clientId)
  t.equal(await useToken(simulator.origins.myDomain, token), 401)
  t.notOk(await works(app))
  t.ok(await works({ ...app, ...staged }))
})
