import t, { type Test } from 'tap'
import { FALLBACK_MS } from '../../src/credentials/credential.ts'
import { BrokerError } from '../../src/errors.ts'
import { digestsOf } from '../../src/integrations/integration.ts'
import { createErasure } from '../../src/rotation/erasure.ts'
import { eventually } from '../support/eventually.ts'
import {
  BAD_SIGNATURE,
  createWitness,
  credential,
  integrationWith,
  openStore,
  secretsOf,
} from './fixture.ts'

const MINUTE_MS = 60_000

const ROTATED = [credential('a', 'active'), credential('r', 'retired')]

async function setUp(t: Test, credentials = ROTATED) {
  let clock = Date.now()
  const now = () => clock
  const opened = await openStore(t, now)
  const integration = integrationWith('billing', credentials)
  await opened.put(integration)
  const { store, records } = opened
  const replica = () => {
    const witness = createWitness()
    const proofs: string[] = []
    let answer: unknown
    let looks = 0
    let wake: () => void = () => undefined
    const erasure = createErasure({
      store,
      documents: records.documents,
      prove: async (_name, id) => {
        proofs.push(id)
        if (answer) throw answer
      },
      audit: witness.audit,
      now,
      sleep: (_ms, signal) =>
        new Promise((resolve) => {
          looks += 1
          wake = resolve
          if (signal.aborted) resolve()
          signal.addEventListener('abort', () => resolve())
        }),
      log: witness.log,
    })
    t.teardown(() => erasure.stop())
    return {
      ...witness,
      erasure,
      proofs,
      says: (said: unknown) => {
        answer = said
      },
      /** It has looked once more. */
      look: async () => {
        const before = looks
        if (before === 0) erasure.start()
        else wake()
        await eventually(() => looks > before)
      },
    }
  }
  const noted = async () => {
    const record = await records.documents.read('retired', 'billing')
    return record && JSON.parse(record.body)
  }
  return {
    ...opened,
    integration,
    replica,
    noted,
    now,
    pass: (ms: number) => {
      clock += ms
    },
  }
}

t.test('the secret goes after 15 quiet minutes and a proof, with one request', async (t) => {
  const { replica, pass, store, statesOf, noted } = await setUp(t)
  const { look, proofs, audited } = replica()
  await look()
  pass(FALLBACK_MS - 1)
  await look()
  t.same(proofs, [])
  t.same(await statesOf('billing'), { a: 'active', r: 'retired' })
  pass(1)
  await look()
  t.same(proofs, ['a'])
  const sealed = await store.readSealed('billing')
  t.match(sealed?.integration, { version: 2, credentials: [{ id: 'a' }] })
  t.same(Object.keys((await sealed?.open())?.byId ?? {}), ['a'])
  t.match(audited, [{ action: 'credential.erased', detail: { credential: 'r' } }])
  t.equal(await noted(), undefined)
  await look()
  t.equal(proofs.length, 1)
})

t.test('a refusal of the active one begins the quiet time anew', async (t) => {
  const { replica, pass, integration, statesOf, noted, now } = await setUp(t)
  const { look, proofs, erasure } = replica()
  await look()
  pass(10 * MINUTE_MS)
  const from = now()
  erasure.unquiet(integration)
  await eventually(async () => (await noted()).quietFrom === from)
  pass(1_000)
  erasure.unquiet(integration)
  pass(FALLBACK_MS - 1_000)
  await look()
  t.same(proofs, [], 'the second refusal is less than 15 minutes ago')
  pass(11_000)
  await look()
  t.same(proofs, ['a'])
  t.same(await statesOf('billing'), { a: 'active' })
})

t.test('a proof that is refused keeps the retired one, and raises an alarm', async (t) => {
  const { replica, pass, statesOf } = await setUp(t)
  const { look, proofs, says, logged } = replica()
  await look()
  says(BAD_SIGNATURE)
  pass(FALLBACK_MS)
  await look()
  t.same(await statesOf('billing'), { a: 'active', r: 'retired' })
  t.match(logged, ['error: Salesforce refuses the active credential; the retired one stays'])
  pass(2 * MINUTE_MS)
  await look()
  t.equal(proofs.length, 1, 'the quiet time has begun anew')
  says(undefined)
  pass(FALLBACK_MS)
  await look()
  t.same(await statesOf('billing'), { a: 'active' })
})

t.test('a proof that fails for another reason is tried again after a minute', async (t) => {
  const { replica, pass, statesOf } = await setUp(t)
  const { look, proofs, says, logged } = replica()
  await look()
  says(new BrokerError('salesforce_unavailable', 'down'))
  pass(FALLBACK_MS)
  await look()
  await look()
  t.equal(proofs.length, 1)
  t.same(logged, ['warn: the active credential could not be proven yet'])
  pass(MINUTE_MS)
  says(undefined)
  await look()
  t.same(await statesOf('billing'), { a: 'active' })
})

t.test('of several replicas one makes the proof', async (t) => {
  const { replica, pass, statesOf } = await setUp(t)
  const replicas = [replica(), replica(), replica()]
  for (const { look } of replicas) await look()
  pass(FALLBACK_MS)
  await Promise.all(replicas.map(({ look }) => look()))
  t.equal(replicas.flatMap(({ proofs }) => proofs).length, 1)
  t.same(await statesOf('billing'), { a: 'active' })
})

t.test('what a replica retired that died is found by another that goes on', async (t) => {
  const { replica, pass, store, integration, statesOf } = await setUp(t, [
    credential('a', 'active'),
    credential('s', 'staged'),
  ])
  const { look } = replica()
  await look()
  const credentials = [credential('s', 'active'), credential('a', 'retired')]
  const changed = { ...integration, credentials }
  await store.change(integration, {
    integration: changed,
    digests: digestsOf(changed, credentials),
    secrets: secretsOf(credentials),
  })
  pass(FALLBACK_MS)
  await look()
  t.same(await statesOf('billing'), { s: 'active', a: 'retired' }, 'it was not watched until now')
  pass(FALLBACK_MS)
  await look()
  t.same(await statesOf('billing'), { s: 'active' })
})

t.test('what was rolled back meanwhile is not erased', async (t) => {
  const { replica, pass, store, integration, statesOf, noted } = await setUp(t)
  const { look, proofs, erasure } = replica()
  await look()
  const credentials = [credential('r', 'active'), credential('a', 'retired')]
  const changed = { ...integration, credentials }
  const written = await store.change(integration, {
    integration: changed,
    digests: digestsOf(changed, credentials),
    secrets: secretsOf(credentials),
  })
  if (!written) throw new Error('nothing else changes it')
  erasure.watch(written)
  await eventually(async () => (await noted()).retiredId === 'a')
  const { quietFrom } = await noted()
  pass(FALLBACK_MS - 1)
  // A mint that began before the change says that the former one was refused.
  erasure.unquiet(integration)
  await look()
  t.match(await noted(), { retiredId: 'a', quietFrom })
  t.same(proofs, [])
  pass(1)
  await look()
  t.same(proofs, ['r'])
  t.same(await statesOf('billing'), { r: 'active' })
})

t.test('an integration that was removed is forgotten', async (t) => {
  const { replica, pass, store, integration, noted } = await setUp(t)
  const { look, proofs } = replica()
  await look()
  await store.remove(integration)
  pass(FALLBACK_MS)
  await look()
  t.same(proofs, [])
  t.equal(await noted(), undefined)
})
