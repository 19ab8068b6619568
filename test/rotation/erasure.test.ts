import t, { type Test } from 'tap'
import { FALLBACK_MS } from '../../src/credentials/credential.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { classify, grantRefused } from '../../src/grants/refusals/refusals.ts'
import { createCredentialWriter } from '../../src/integrations/credential-writer.ts'
import { digestsOf, type Integration } from '../../src/integrations/integration.ts'
import { createErasure } from '../../src/rotation/erasure.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import { eventually } from '../support/eventually.ts'
import { testRuntime } from '../support/runtime.ts'
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
    const adopted: string[] = []
    let answer: unknown
    let looks = 0
    let meanwhile: () => void = () => undefined
    let wake: () => void = () => undefined
    const erasure = createErasure({
      store,
      documents: records.documents,
      prover: {
        prove: async (_name, id) => {
          proofs.push(id)
          meanwhile()
          if (answer) throw answer
          return { tokenId: `of ${id}` } as Lease
        },
        adopt: async ({ tokenId }) => {
          adopted.push(tokenId)
        },
      },
      credentials: createCredentialWriter({ store, ...witness, runtime: { now } }),
      runtime: testRuntime({
        now,
        sleep: (_ms, signal) =>
          new Promise((resolve) => {
            looks += 1
            wake = resolve
            if (signal?.aborted) resolve()
            signal?.addEventListener('abort', () => resolve())
          }),
      }),
      log: witness.log,
    })
    t.teardown(() => erasure.stop())
    return {
      ...witness,
      erasure,
      proofs,
      adopted,
      says: (said: unknown) => {
        answer = said
      },
      /** During the next proofs. */
      during: (work: () => void) => {
        meanwhile = work
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
  const write = async (to: Partial<Integration>) => {
    const current = await store.read('billing')
    if (!current) throw new Error('it is there')
    const changed = { ...current, ...to }
    const written = await store.change(current, {
      integration: changed,
      digests: digestsOf(changed, changed.credentials),
      secrets: secretsOf(changed.credentials),
    })
    if (!written) throw new Error('nothing else changes it')
    return written
  }
  const noted = async () => {
    const record = await records.documents.read('retired', 'billing')
    return record && JSON.parse(record.body)
  }
  return {
    ...opened,
    integration,
    replica,
    write,
    noted,
    now,
    pass: (ms: number) => {
      clock += ms
    },
  }
}

t.test('the secret goes after 15 quiet minutes and a proof, with one request', async (t) => {
  const { replica, pass, store, statesOf, noted } = await setUp(t)
  const { look, proofs, adopted, audited } = replica()
  await look()
  pass(FALLBACK_MS - 1)
  await look()
  t.same(proofs, [])
  t.same(await statesOf('billing'), { a: 'active', r: 'retired' })
  pass(1)
  await look()
  t.same(proofs, ['a'])
  t.same(adopted, ['of a'], 'a lease of the erased one is good no more')
  const sealed = await store.readSealed('billing')
  t.match(sealed?.integration, { version: 2, credentials: [{ id: 'a' }] })
  t.same(Object.keys((await sealed?.open())?.byId ?? {}), ['a'])
  t.match(audited, [{ action: 'credential.erased', detail: { credential: 'r' } }])
  t.equal(await noted(), undefined)
  await look()
  t.equal(proofs.length, 1)
})

t.test('a quiet time that others move again and again is not left unsaid', async (t) => {
  const { replica, integration, records } = await setUp(t)
  const { look, erasure, logged } = replica()
  await look()
  const { write } = records.documents
  records.documents.write = async (kind, id, body, options) =>
    kind === 'retired' ? undefined : write(kind, id, body, options)
  erasure.unquiet(integration)
  await eventually(() => logged.length > 0)
  t.same(logged, ['warn: the quiet time of a retired credential could not be recorded'])
})

t.test('where others begin a watch at the same time, it is not begun again', async (t) => {
  const { replica, integration, records } = await setUp(t)
  const { erasure, logged } = replica()
  let writes = 0
  records.documents.write = async () => {
    writes += 1
    return undefined
  }
  erasure.watch(integration)
  await eventually(() => writes > 0)
  await erasure.dated(integration)
  await new Promise(setImmediate)
  t.equal(writes, 1)
  t.same(logged, [])
})

t.test('a watch that a former release wrote counts', async (t) => {
  const { replica, pass, records, statesOf, noted } = await setUp(t)
  const one = replica()
  await one.look()
  const { retiresAt: _, ...former } = await noted()
  await records.documents.write('retired', 'billing', JSON.stringify(former), { expected: 'any' })
  pass(FALLBACK_MS)
  await one.look()
  t.same(one.proofs, ['a'])
  t.same(await statesOf('billing'), { a: 'active' })
})

t.test('a clock that is set forth for a moment erases nothing too early', async (t) => {
  const { replica, pass, statesOf } = await setUp(t)
  const { look, proofs, during } = replica()
  await look()
  pass(FALLBACK_MS)
  during(() => pass(1_000 - FALLBACK_MS))
  await look()
  t.same(proofs, ['a'])
  t.same(await statesOf('billing'), { a: 'active', r: 'retired' })
  during(() => undefined)
  pass(FALLBACK_MS + MINUTE_MS)
  await look()
  t.same(await statesOf('billing'), { a: 'active' })
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
  t.match(logged, ['error: Salesforce refuses the active credential; the retired one is kept'])
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

t.test(
  'where Salesforce refuses the user or the app, a proof every ten minutes will do',
  async (t) => {
    const { replica, pass, statesOf } = await setUp(t)
    const { look, proofs, says } = replica()
    await look()
    says(grantRefused(classify({ error: 'invalid_grant', errorDescription: 'user is inactive' })))
    pass(FALLBACK_MS)
    await look()
    pass(10 * MINUTE_MS - 1)
    await look()
    t.equal(proofs.length, 1)
    pass(1)
    says(undefined)
    await look()
    t.same(proofs, ['a', 'a'])
    t.same(await statesOf('billing'), { a: 'active' })
  },
)

t.test('what is disabled or a draft is not proven, and not erased', async (t) => {
  const { replica, pass, write, statesOf } = await setUp(t)
  const { look, proofs, logged } = replica()
  await look()
  await write({ enabled: false })
  pass(FALLBACK_MS)
  await look()
  await write({ enabled: true, grant: { type: 'client_credentials' } })
  pass(MINUTE_MS)
  await look()
  t.same([proofs, logged], [[], []])
  t.same(await statesOf('billing'), { a: 'active', r: 'retired' })
  await write({ grant: { type: 'client_credentials', clientId: 'blue' } })
  pass(MINUTE_MS)
  await look()
  t.same(await statesOf('billing'), { a: 'active' })
})

t.test('the time that is shown moves with each refusal, and with the first look', async (t) => {
  const { replica, pass, now, integration, noted } = await setUp(t)
  const { look, erasure } = replica()
  const shown = async () => (await erasure.dated(integration)).credentials[1]?.retiresAt
  t.equal(await shown(), 1, 'as the flip gave it')
  await look()
  t.equal(await shown(), now() + FALLBACK_MS)
  pass(MINUTE_MS)
  erasure.unquiet(integration)
  await eventually(async () => (await noted()).quietFrom === now())
  t.equal(await shown(), now() + FALLBACK_MS)
  const plain = integrationWith('plain', [credential('a', 'active')])
  t.equal(await erasure.dated(plain), plain)
})

t.test('what a replica retired that died is found by another that goes on', async (t) => {
  const { replica, pass, write, statesOf } = await setUp(t, [
    credential('a', 'active'),
    credential('s', 'staged'),
  ])
  const { look } = replica()
  await look()
  await write({ credentials: [credential('s', 'active'), credential('a', 'retired')] })
  pass(FALLBACK_MS)
  await look()
  t.same(await statesOf('billing'), { s: 'active', a: 'retired' }, 'it was not watched until now')
  pass(FALLBACK_MS)
  await look()
  t.same(await statesOf('billing'), { s: 'active' })
})

t.test('what was rolled back meanwhile is not erased', async (t) => {
  const { replica, pass, write, integration, statesOf, noted } = await setUp(t)
  const { look, proofs, erasure } = replica()
  await look()
  erasure.watch(
    await write({ credentials: [credential('r', 'active'), credential('a', 'retired')] }),
  )
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

t.test('what is retired a second time gets its whole time, whoever missed it', async (t) => {
  const { replica, pass, write, statesOf, now } = await setUp(t)
  const { look, proofs } = replica()
  await look()
  pass(FALLBACK_MS - 1)
  // To the other and back: the same two, in the same states.
  await write({ credentials: [credential('r', 'active'), credential('a', 'retired')] })
  const again = { ...credential('r', 'retired'), retiresAt: now() + FALLBACK_MS }
  await write({ credentials: [credential('a', 'active'), again] })
  pass(1)
  await look()
  t.same(proofs, [])
  pass(FALLBACK_MS - 1)
  await look()
  t.same(await statesOf('billing'), { a: 'active', r: 'retired' })
  pass(1)
  await look()
  t.same(await statesOf('billing'), { a: 'active' })
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
