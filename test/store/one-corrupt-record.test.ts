/** Work in the background goes on past one record that cannot be used. */

import t from 'tap'
import type { AuditEntry } from '../../src/audit/event.ts'
import type { CertificateInfo } from '../../src/credentials/credential.ts'
import type { Intake } from '../../src/credentials/intake.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { HostRules } from '../../src/http/outbound/login-host.ts'
import { createDeclaredIntegrations } from '../../src/integrations/declared.ts'
import type { Integration } from '../../src/integrations/integration.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import type { IntegrationStore } from '../../src/integrations/integration-store.ts'
import { createErasure } from '../../src/rotation/erasure.ts'
import { createExpiryNotifier } from '../../src/rotation/expiry-notifier.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { createDropDependents } from '../../src/tokens/revoke/dependents.ts'
import { createCallerCounts } from '../../src/usage/caller-counts.ts'
import { credential } from '../rotation/fixture.ts'
import { eventually } from '../support/eventually.ts'
import { integrationOf, lookOf } from '../support/integrations.ts'
import { partOf } from '../support/part.ts'
import { testRuntime } from '../support/runtime.ts'

const corrupt = () => new BrokerError('record_corrupt', 'It does not verify')
const DAY_MS = 86_400_000

const logged: string[] = []
const note = (_bindings: object, message: string) => void logged.push(message)
const log = { info: note, warn: note, error: note }
const untilAborted = (_ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal?.aborted) resolve()
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })

/** Documents by id; `bad` does not verify. */
function documentsWith() {
  const written: { readonly id: string; readonly expected: unknown }[] = []
  return {
    written,
    async read(_kind: string, id: string) {
      if (id === 'bad') throw corrupt()
      return undefined
    },
    list: async () => ({ items: [], corrupt: ['bad'], next: null }),
    async write(_kind: string, id: string, body: string, { expected }: { expected: unknown }) {
      written.push({ id, expected })
      return { id, version: 1, body }
    },
    remove: async () => true,
  }
}

const storeOf = (items: readonly Integration[], more: Partial<IntegrationStore> = {}) =>
  partOf<IntegrationStore>({ list: async () => ({ items, next: null }), ...more })

t.test('secrets that are retired are watched', async (t) => {
  const documents = documentsWith()
  const credentials = [{ ...credential('r', 'retired'), retiresAt: null }]
  const store = storeOf(['bad', 'good'].map((name) => integrationOf({ name, credentials })))
  const erasure = createErasure({
    ...{ store, documents, log },
    credentials: { change: async () => undefined },
    prover: { prove: async () => undefined, adopt: async () => undefined },
    runtime: testRuntime({ sleep: untilAborted }),
  })
  erasure.start()
  t.teardown(() => erasure.stop())
  await eventually(() => documents.written.length > 0)
  t.same(documents.written, [{ id: 'good', expected: 'absent' }])
})

t.test('certificates that end are said, also where the mark was spoiled', async (t) => {
  const documents = documentsWith()
  const certificate = partOf<CertificateInfo>({ notAfter: Date.now() + DAY_MS })
  const store = storeOf(
    ['bad', 'good'].map((id) =>
      integrationOf({
        name: `of-${id}`,
        credentials: [{ ...credential(id, 'active'), type: 'certificate', certificate }],
      }),
    ),
  )
  const said: AuditEntry[] = []
  const expiryNotifier = createExpiryNotifier({
    ...{ store, documents },
    runtime: testRuntime({ sleep: untilAborted }),
    audit: { background: (_by, entry) => void said.push(entry) },
    log,
  })
  expiryNotifier.start()
  t.teardown(() => expiryNotifier.stop())
  await eventually(() => said.length === 2)
  t.same(documents.written, [
    { id: 'bad', expected: 'any' },
    { id: 'good', expected: 'absent' },
  ])
})

t.test('callers are counted', async (t) => {
  const documents = documentsWith()
  const counts = createCallerCounts({ documents, runtime: testRuntime(), log })
  logged.length = 0
  for (const name of ['bad', 'good']) {
    counts.note('api-key:a', { integration: name, uid: 'u' }, Date.now(), {
      ip: '::1',
      raw: { socket: {}, headers: {} },
    })
  }
  await counts.stop()
  t.match(documents.written, [{ id: 'good' }])
  t.notMatch(logged, ['the counts of callers cannot be stored yet'], 'the store is well')
})

t.test('leases that were made of a token are dropped', async (t) => {
  const items = ['bad', 'good'].map((name) =>
    integrationOf({
      name,
      grant: { type: 'token_exchange', subjectToken: { integration: 'crm' } },
    }),
  )
  const dropped: string[] = []
  const drop = createDropDependents({
    integrations: storeOf(items, { read: async () => undefined }),
    outcomes: {
      async look(name) {
        if (name === 'bad') throw corrupt()
        return lookOf(name)
      },
      async save(name) {
        dropped.push(name)
        return { saved: true, orev: 1, rev: 1 }
      },
    },
    log,
  })
  await drop('crm')
  t.same(dropped, ['good'])
})

t.test('what a file declares no more goes', async (t) => {
  const items = ['bad', 'good'].map((name) => integrationOf({ name, managedBy: 'file' }))
  const declared = createDeclaredIntegrations({
    store: storeOf(items, {
      read: async (name) => items.find((one) => one.name === name),
      remove: async () => true,
    }),
    ...{
      intake: partOf<Intake>({}),
      hosts: partOf<HostRules>({}),
      runtime: testRuntime(),
    },
    events: createEvents<IntegrationEvents>(),
    async revoke({ name }) {
      if (name === 'bad') throw corrupt()
    },
  })
  t.match(await declared.release(new Set(), true), [
    { name: 'bad', result: 'disabled', error: { code: 'record_corrupt' } },
    { name: 'good', result: 'removed' },
  ])
})
