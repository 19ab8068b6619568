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
    const credential: Credential = {
      ...{ id: 'cred_1', state: 'staged', clientId: null, type: 'client_secret', createdAt: 1 },
      ...{ certificate: null, activatedAt: null, retiresAt: null },
    }
    const composition: Composition = {
      ...{ name: 'billing', managedBy: 'api', current: undefined, owner: undefined },
      definition: {
        ...DEFAULTS,
        labels: {},
        loginUrl: 'https://acme.my.salesforce.com',
        grant: { type: 'client_credentials', clientId: 'c' },
        identity: { pin: 'org_and_user' },
        credentialFrom: null,
      },
      secrets: { byId: {}, known: [] },
      fresh: {
        credential,
        remarks: { normalized: [], warnings: [] },
        secret: { type: 'client_secret', clientSecret: 's' },
      },
    }
    const { integration } = compose(composition, { now, uniqueId: () => 'u' })
    t.equal(integration.credentials[0]?.activatedAt, integration.createdAt)
    t.equal(integration.updatedAt, integration.createdAt)
  },
)
