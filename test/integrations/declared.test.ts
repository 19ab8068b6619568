import t from 'tap'
import type { Intake } from '../../src/credentials/intake.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createHostRules } from '../../src/http/outbound/login-host.ts'
import { createDeclaredIntegrations } from '../../src/integrations/declared.ts'
import type { Integration } from '../../src/integrations/integration.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import type { IntegrationStore } from '../../src/integrations/integration-store.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { integrationOf } from '../support/integrations.ts'
import { partOf } from '../support/part.ts'
import { testRuntime } from '../support/runtime.ts'

const { loginUrl, identity } = integrationOf()
const grant = { type: 'client_credentials', clientId: '3MVG9.of-the-app' } as const
const input = { loginUrl, grant, identity }

/** A store whose writes lose the race against others until the test lets them win. */
function setUp() {
  const written: Integration[] = []
  let isContended = true
  let tries = 0
  const declared = createDeclaredIntegrations({
    store: partOf<IntegrationStore>({
      list: async () => ({ items: [integrationOf({ managedBy: 'file' })], next: null }),
      read: async () => integrationOf({ managedBy: 'file' }),
      readSealed: async () => undefined,
      async create({ integration }) {
        tries += 1
        if (isContended) return undefined
        written.push(integration as Integration)
        return integration as Integration
      },
      async remove() {
        tries += 1
        return !isContended
      },
    }),
    intake: partOf<Intake>({}),
    hosts: createHostRules([]),
    events: createEvents<IntegrationEvents>(),
    runtime: testRuntime(),
    revoke: async () => undefined,
  })
  return {
    ...{ declared, written },
    tries: () => tries,
    win() {
      isContended = false
    },
  }
}

t.test('an entry that loses a race is not disabled, and is applied again', async (t) => {
  const { declared, written, tries, win } = setUp()
  await t.rejects(declared.apply({ name: 'billing', input }), { code: 'conflict' })
  t.equal(tries(), 10, 'nothing was written in its place')
  win()
  t.match(await declared.apply({ name: 'billing', input }), { result: 'created' })
  t.match(written, [{ name: 'billing', enabled: true }])
})

t.test('a wrong entry whose stand-in loses a race is disabled later', async (t) => {
  const { declared, written, win } = setUp()
  const wrong = new BrokerError('request_invalid', 'It is wrong')
  await t.rejects(declared.disable('billing', wrong, input), { code: 'conflict' })
  win()
  t.match(await declared.disable('billing', wrong, input), { result: 'disabled', error: wrong })
  t.match(written, [{ name: 'billing', enabled: false }])
})

t.test('what the file declares no more is removed later where it loses a race', async (t) => {
  const { declared, win } = setUp()
  await t.rejects(declared.release(new Set(), true), { code: 'conflict' })
  win()
  t.match(await declared.release(new Set(), true), [{ name: 'billing', result: 'removed' }])
})
