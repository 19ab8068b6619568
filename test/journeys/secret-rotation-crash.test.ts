/** A broker that is killed in the middle of a rotation of a secret: before and after each call to Salesforce, the next one carries it on. */
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import {
  activeId,
  CREDENTIALS,
  deploy,
  phaseIs,
  stageKey,
  statesOf,
} from '../support/deployable.ts'
import { defineSecretive } from '../support/deployable-secret.ts'
import { eventually } from '../support/eventually.ts'
import { startRestartable } from '../support/restartable.ts'

t.setTimeout(300_000)

interface Where {
  /** Calls about credentials that pass before. */
  readonly skip: number
  /** Which call it dies in. */
  readonly endpoint: 'credentials' | 'token'
  /** When that has had its effect. */
  readonly afterCommit?: true
}

/** The calls to Salesforce until the new secret is in use, in their order. */
const BEGINNINGS: Readonly<Record<string, Where>> = {
  'before the consumer is known': { skip: 0, endpoint: 'credentials' },
  'before it is known what stands beside': { skip: 2, endpoint: 'credentials' },
  'before the pair is staged': { skip: 4, endpoint: 'credentials' },
  'after the pair is staged': { skip: 4, endpoint: 'credentials', afterCommit: true },
  'after the secret is kept': { skip: 5, endpoint: 'credentials' },
  'before the proof': { skip: 6, endpoint: 'token' },
  'after the proof': { skip: 6, endpoint: 'token', afterCommit: true },
}

/** And those once the former is erased here. */
const ENDINGS: Readonly<Record<string, Where>> = {
  'before it is known what is to end': { skip: 0, endpoint: 'credentials' },
  'before the pair is the main one': { skip: 1, endpoint: 'credentials' },
  'after the pair is the main one': { skip: 1, endpoint: 'credentials', afterCommit: true },
  'before the former ends': { skip: 5, endpoint: 'credentials' },
  'after the former ended': { skip: 5, endpoint: 'credentials', afterCommit: true },
}

async function world(t: Test) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const broker = await startRestartable(t, simulator)
  const app = await defineSecretive(t, simulator, broker.call)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  const calls = () => simulator.log.filter(({ endpoint }) => endpoint === 'credentials').length
  return {
    ...{ simulator, app },
    call: broker.call,
    async killed({ skip, ...where }: Where, begin: () => Promise<unknown>) {
      const before = calls()
      const holdNow = () => simulator.addFault({ kind: 'hold', times: null, ...where })
      // Slow calls, so that the one before is seen in time.
      const slow = { kind: 'delay', ms: 400, endpoint: 'credentials', times: null } as const
      const delay = simulator.addFault(slow)
      const early = skip === 0 ? holdNow() : undefined
      await begin()
      await eventually(() => calls() >= before + skip)
      const hold = early ?? holdNow()
      await eventually(() => hold.holding() > 0)
      await broker.kill()
      delay.remove()
      hold.remove()
      await broker.restart()
    },
  }
}

/** Each takes ten seconds: these with each run of the tests, and all with `VALETKEY_TEST_LONG=1`. */
const SHORT = ['after the pair is staged', 'after the proof', 'after the pair is the main one']
const chosen = (places: Readonly<Record<string, Where>>) =>
  Object.entries(places).filter(
    ([when]) => process.env.VALETKEY_TEST_LONG === '1' || SHORT.includes(when),
  )

type World = Awaited<ReturnType<typeof world>>

async function assertMints(t: Test, { simulator, call }: World) {
  simulator.endSessions({ username: 'billing@acme.com' })
  await call('DELETE', '/tokens/billing')
  t.equal((await call('GET', '/tokens/billing')).status, 200)
}

/** The operator does not wait for the quiet time: without the fallback the former pair ends at once. */
async function forget({ call }: World) {
  const former = Object.entries(await statesOf({ call })).find(([, state]) => state === 'retired')
  await call('DELETE', `${CREDENTIALS}/${former?.[0]}`)
}

async function assertRetired(t: Test, at: World, id: string) {
  t.match(await phaseIs(at, id, 'retired', 'failed'), { phase: 'retired', reason: null })
  t.equal(at.simulator.besideCredentials(at.app.clientId), undefined)
  t.same(await statesOf(at), { [id]: 'active' })
  await assertMints(t, at)
}

for (const [when, where] of chosen(BEGINNINGS)) {
  t.test(`killed ${when}, it is carried on by who comes after`, async (t) => {
    const at = await world(t)
    const id = await stageKey(at)
    await at.killed(where, () => deploy(at, id))
    t.match(await phaseIs(at, id, 'activated', 'failed'), { phase: 'activated', reason: null })
    t.equal(await activeId(at), id)
    await assertMints(t, at)
    await forget(at)
    await assertRetired(t, at, id)
  })
}

for (const [when, where] of chosen(ENDINGS)) {
  t.test(`killed ${when}, the former pair ends all the same`, async (t) => {
    const at = await world(t)
    const id = await stageKey(at)
    await deploy(at, id)
    await phaseIs(at, id, 'activated')
    await at.killed(where, () => forget(at))
    await assertRetired(t, at, id)
  })
}
