/** How often a replica asks for secrets of vaults, and how often it proves one that came back. */
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { CredentialSecrets } from '../../src/credentials/credential.ts'
import type { OutsideSecrets } from '../../src/credentials/outside-secrets.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { SealedIntegration } from '../../src/integrations/integration-store.ts'
import { createSecretWatch } from '../../src/rotation/secret-watch.ts'
import { eventually } from '../support/eventually.ts'
import { partOf } from '../support/part.ts'
import { testLog, testRuntime } from '../support/runtime.ts'
import { credential, integrationWith } from './fixture.ts'

type Dependencies = Parameters<typeof createSecretWatch>[0]
type Reread = Dependencies['secrets']['reread']

const sources = { clientSecret: { name: 'vault', path: 'secret/data/billing', field: 'secret' } }
const outside = { sources, versions: {} }
const CREDENTIALS = [
  { ...credential('new', 'active'), outside },
  { ...credential('former', 'retired'), outside },
]
const secretOf = (digest: string) =>
  ({ type: 'client_secret', outside: { ...outside, digest } }) as const
const SECRETS: CredentialSecrets = {
  byId: { new: secretOf('new'), former: secretOf('former') },
  known: [],
}

/** A watch whose pauses end when the test lets time pass. */
function watchOf(t: Test, names: readonly string[], reread: Reread) {
  let clock = 0
  let ends = new AbortController()
  const counts = { lists: 0, proofs: 0 }
  const looked: string[] = []
  const items = names.map((name) => integrationWith(name, CREDENTIALS))
  const watch = createSecretWatch({
    ...partOf<Dependencies>({ log: testLog() }),
    store: partOf<Dependencies['store']>({
      async list() {
        counts.lists += 1
        return { items, next: null }
      },
      async readSealed(name) {
        looked.push(name)
        return partOf<SealedIntegration>({
          integration: integrationWith(name, CREDENTIALS),
          open: async () => SECRETS,
        })
      },
    }),
    secrets: {
      reread,
      forgetOthers: () => undefined,
    } satisfies Pick<OutsideSecrets, 'forgetOthers'> & { readonly reread: Reread },
    activation: {
      async activate() {
        counts.proofs += 1
        throw new BrokerError('credential_rejected', 'invalid_client')
      },
    },
    runtime: testRuntime({
      now: () => clock,
      async sleep(ms, signal) {
        // The pace within a round.
        if (ms === 100) clock += ms
        else if (signal && !signal.aborted) {
          await once(AbortSignal.any([ends.signal, signal]), 'abort')
        }
      },
    }),
  })
  t.teardown(() => watch.stop())
  const pass = (ms: number) => {
    clock += ms
    ends.abort()
    ends = new AbortController()
  }
  return { watch, counts, looked, pass }
}

t.test('a former secret that came back and is refused is proven once', async (t) => {
  let reads = 0
  const { watch, counts, pass } = watchOf(t, ['billing'], async () => {
    reads += 1
    const fresh = { credential: credential('fresh', 'staged'), secret: secretOf('former') }
    return { fresh: { ...fresh, remarks: { normalized: [], warnings: [] } } }
  })
  watch.start()
  for (const count of [1, 2, 3, 4]) {
    await eventually(() => reads === count)
    await eventually(() => counts.proofs >= 1)
    pass(61_000)
  }
  await eventually(() => reads === 5)
  t.equal(counts.proofs, 1, 'each proof is a login')
})

t.test('a secret of a short life is read often, and the store is not listed for it', async (t) => {
  let reads = 0
  const { watch, counts, pass } = watchOf(t, ['billing'], async () => {
    reads += 1
    return { lifeMs: 5_000 }
  })
  watch.start()
  for (let count = 1; count <= 10; count += 1) {
    await eventually(() => reads === count)
    pass(5_100)
  }
  t.equal(counts.lists, 1, 'it is listed once a minute')
  await eventually(() => reads === 11)
  pass(61_000)
  await eventually(() => counts.lists === 2)
})

t.test('a secret that Salesforce refused does not wait for those that are due', async (t) => {
  const { watch, looked } = watchOf(t, ['a', 'b', 'c'], async () => {
    if (looked.length === 1) watch.refused(integrationWith('c', CREDENTIALS))
    return {}
  })
  watch.start()
  await eventually(() => looked.length === 3)
  t.same(looked, ['a', 'c', 'b'])
})
