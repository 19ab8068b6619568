import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NO_SECRETS } from '../../src/credentials/credential.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { DEFAULTS, type Integration } from '../../src/integrations/integration.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import { createIntegrationStore } from '../../src/integrations/integration-store.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'

const integration: Integration = {
  ...DEFAULTS,
  name: 'billing',
  uid: 'u',
  version: 1,
  labels: {},
  loginUrl: 'https://acme.my.salesforce.com',
  grant: { type: 'client_credentials', clientId: 'x' },
  identity: { pin: 'org_and_user' },
  credentialFrom: null,
  credentials: [],
  managedBy: 'api',
  createdAt: 1,
  updatedAt: 1,
}

async function setUp(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-integrations-'))
  const { integrations: records, close } = createEmbeddedStore({ dataDir })
  t.teardown(async () => {
    await close()
    await rm(dataDir, { recursive: true })
  })
  const keyring = keyringOf(generateKeyring(Date.now()))
  const store = createIntegrationStore({
    records,
    keyring,
    events: createEvents<IntegrationEvents>(),
  })
  await store.create({ integration, digests: [], secrets: NO_SECRETS })
  return { records, store }
}

t.test('what was written is read back and opens', async (t) => {
  const { store } = await setUp(t)
  const sealed = await store.readSealed('billing')
  t.same(sealed?.integration, integration)
  t.same(await sealed?.open(), NO_SECRETS)
})

t.test('a definition that was changed in the store does not open with the old seal', async (t) => {
  const { records, store } = await setUp(t)
  const record = await records.readSealed('billing')
  if (!record) throw new Error('it was created')
  const definition = record.definition.replace('acme.my', 'evil.my')
  t.not(definition, record.definition)
  await records.change('billing', record, { ...record, definition })
  const sealed = await store.readSealed('billing')
  t.equal(sealed?.integration.loginUrl, 'https://evil.my.salesforce.com')
  await t.rejects(async () => sealed?.open(), { code: 'record_corrupt' })
})

t.test('a record of parts that were kept opens as it was sealed', async (t) => {
  const { store } = await setUp(t)
  const sealed = await store.readSealed('billing')
  if (!sealed) throw new Error('it was created')
  const { integration, digests, seal } = sealed
  t.same(await store.sealedAs({ integration, digests, seal }).open(), NO_SECRETS)
  const other = { ...integration, name: 'other' }
  await t.rejects(store.sealedAs({ integration: other, digests, seal }).open(), {
    code: 'record_corrupt',
  })
})

t.test('a definition that makes no sense is corrupt, and not guessed at', async (t) => {
  const { records, store } = await setUp(t)
  const record = await records.readSealed('billing')
  if (!record) throw new Error('it was created')
  const wrong = ['nonsense', '{}', 'null', '[]', '{"schema":0}', '{"schema":1}']
  for (const definition of [...wrong, '{"schema":1,"grant":{},"credentials":[]}']) {
    const current = await records.readSealed('billing')
    if (current) await records.change('billing', current, { ...record, definition })
    await t.rejects(store.read('billing'), { code: 'record_corrupt' }, definition)
    t.match(await store.list({ limit: 5 }), { items: [], corrupt: ['billing'] })
  }
})

t.test('what a newer release wrote is said to be its own, and is left as it is', async (t) => {
  const { records, store } = await setUp(t)
  const record = await records.readSealed('billing')
  if (!record) throw new Error('it was created')
  const known = JSON.parse(record.definition)
  const credential = { id: 'c', type: 'client_secret', state: 'active' }
  const newer = {
    schema: { ...known, schema: 2 },
    grant: { ...known, grant: { type: 'telepathy' } },
    credential: { ...known, credentials: [{ ...credential, type: 'passkey' }] },
    state: { ...known, credentials: [{ ...credential, state: 'dormant' }] },
  }
  for (const [what, definition] of Object.entries(newer)) {
    const current = await records.readSealed('billing')
    const text = JSON.stringify(definition)
    if (current) await records.change('billing', current, { ...record, definition: text })
    await t.rejects(store.read('billing'), { code: 'another_version' }, what)
    await t.rejects(store.readSealed('billing'), { code: 'another_version' }, what)
    t.match(await store.list({ limit: 5 }), { items: [], corrupt: ['billing'] })
    t.equal((await records.read('billing'))?.definition, text)
  }
})
