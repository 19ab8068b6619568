import t from 'tap'
import type { Credential } from '../../src/credentials/credential.ts'
import { type Composition, compose } from '../../src/integrations/composition.ts'
import { DEFAULTS } from '../../src/integrations/integration.ts'

t.test(
  'an integration and its first credential are of one age, whatever the clock does',
  async (t) => {
    let clock = 1_000
    const now = () => {
      clock += 1
      return clock
    }
    const credential = { id: 'cred_1', state: 'staged', clientId: null, type: 'client_secret' }
    const composition = {
      ...{ name: 'billing', managedBy: 'api', current: undefined, owner: undefined },
      definition: {
        ...DEFAULTS,
        labels: {},
        loginUrl: 'https://acme.my.salesforce.com',
        grant: { type: 'client_credentials', clientId: 'c' },
        identity: { pin: 'org' },
        credentialFrom: null,
      },
      secrets: { byId: {}, known: [] },
      fresh: {
        credential: credential as Credential,
        secret: { type: 'client_secret', clientSecret: 's' },
      },
    } as unknown as Composition
    const { integration } = compose(composition, { now, uniqueId: () => 'u' })
    t.equal(integration.credentials[0]?.activatedAt, integration.createdAt)
    t.equal(integration.updatedAt, integration.createdAt)
  },
)
