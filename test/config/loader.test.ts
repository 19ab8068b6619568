/** The order in which the entries of the configuration file are applied. */
import t from 'tap'
import { createConfigurationLoader } from '../../src/config/loader.ts'
import { eventually } from '../support/eventually.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

const entry = (credential: object) => ({
  ...{ login_url: 'https://acme.my.salesforce.com', credential },
  grant: { type: 'jwt_bearer', client_id: '3MVG9.a', username: 'billing@acme.com' },
})

t.test('what waits for a signer comes last, and lenders before borrowers', async (t) => {
  const integrations = {
    'borrows-signed': entry({ from: 'signed' }),
    signed: entry({ signer: { name: 'vault', key: 'k' }, generate: {} }),
    borrows: entry({ from: 'plain' }),
    plain: entry({ generate: {} }),
  }
  const applied: string[] = []
  const loader = createConfigurationLoader({
    path: '/config.yaml',
    // JSON is YAML.
    readFile: () => JSON.stringify({ integrations }),
    declared: {
      async apply({ name }) {
        applied.push(name)
        return { name, result: 'unchanged' }
      },
      disable: async (name) => t.fail(name) as never,
      release: async () => [],
    },
    observer: {
      applied: async () => undefined,
      reloaded: () => undefined,
      refused: () => t.fail(),
    },
    ...{ runtime: testRuntime(), log: testLog() },
  })
  loader.read()
  loader.start()
  await eventually(() => applied.length === 4)
  await loader.stop()
  t.same(applied, ['plain', 'borrows', 'signed', 'borrows-signed'])
})
