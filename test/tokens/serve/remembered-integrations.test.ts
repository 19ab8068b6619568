import t from 'tap'
import { NO_SECRETS } from '../../../src/credentials/credential.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { Integration } from '../../../src/integrations/integration.ts'
import type { SealedIntegration } from '../../../src/integrations/integration-store.ts'
import { rememberIntegrations } from '../../../src/tokens/serve/remembered-integrations.ts'
import { integrationOf } from '../../support/integrations.ts'

function setUp(degradedMs = 900_000) {
  let isDown = false
  let reads = 0
  const records = new Map<string, Integration>()
  const sealedAs = (parts: Omit<SealedIntegration, 'open'>): SealedIntegration => ({
    ...parts,
    open: async () => NO_SECRETS,
  })
  const memory = rememberIntegrations({
    degradedMs,
    store: {
      sealedAs,
      async readSealed(name) {
        reads += 1
        if (isDown) throw new BrokerError('store_unavailable', 'down')
        const integration = records.get(name)
        const seal = { secrets: `sealed ${integration?.version}`, definition: 'digest' }
        return integration && sealedAs({ integration: { ...integration }, digests: ['d'], seal })
      },
    },
  })
  return {
    memory,
    reads: () => reads,
    put: (integration: Integration) => void records.set(integration.name, integration),
    remove: (name: string) => void records.delete(name),
    fail: () => {
      isDown = true
    },
  }
}

const unavailable = { code: 'store_unavailable' }

t.test('without the store, the last record that was read opens', async (t) => {
  const { memory, put, fail } = setUp()
  put(integrationOf({ version: 1 }))
  await memory.prepare(integrationOf({ version: 1 }))
  put(integrationOf({ version: 2 }))
  await memory.readSealed('billing')
  fail()
  const sealed = await memory.readSealed('billing')
  t.match(sealed, { integration: { version: 2 }, digests: ['d'], seal: { secrets: 'sealed 2' } })
  t.same(await sealed?.open(), NO_SECRETS)
  await t.rejects(memory.readSealed('other'), unavailable)
})

t.test('the owner of the credentials is remembered, too', async (t) => {
  const { memory, put, fail } = setUp()
  const follower = integrationOf({ credentialFrom: 'owner' })
  for (const one of [follower, integrationOf({ name: 'owner' })]) put(one)
  await memory.prepare(follower)
  fail()
  t.match(await memory.readSealed('owner'), { integration: { name: 'owner' } })
})

t.test('memory shares an integration that says the same, and no other', async (t) => {
  const { memory, put, fail } = setUp()
  put(integrationOf())
  const same = integrationOf()
  await memory.prepare(same)
  const turned = integrationOf({ loginUrl: 'https://evil.my.salesforce.com' })
  await memory.prepare(turned)
  fail()
  const sealed = await memory.readSealed('billing')
  t.equal(sealed?.integration, same, 'or a secret would go where nobody sealed it for')
})

t.test('what was removed is forgotten', async (t) => {
  const { memory, put, remove, fail } = setUp()
  for (const name of ['a', 'b', 'c']) {
    put(integrationOf({ name }))
    await memory.readSealed(name)
  }
  memory.forget('a')
  remove('b')
  t.equal(await memory.readSealed('b'), undefined)
  fail()
  await t.rejects(memory.readSealed('a'), unavailable)
  await t.rejects(memory.readSealed('b'), unavailable)
  t.ok(await memory.readSealed('c'))
})

t.test('where degraded mode is off, no secret is kept and nothing is read for it', async (t) => {
  const { memory, put, fail, reads } = setUp(0)
  put(integrationOf())
  t.ok(await memory.readSealed('billing'))
  await memory.prepare(integrationOf())
  t.equal(reads(), 1)
  fail()
  await t.rejects(memory.readSealed('billing'), unavailable)
})
