import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { startRedis } from '../support/redis.ts'
import { newSigningKey } from '../support/signing-key.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const redis = await startRedis()
t.teardown(() => redis.stop())
const key = await newSigningKey()

const WAYS = {
  jwt_bearer: () => {
    const app = simulator.addJwtApp({ certificatePem: key.certificate })
    return {
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: key.privateKey, certificate: key.certificate },
    }
  },
  'client_credentials with client_secret_basic': () => {
    const app = simulator.addClientCredentialsApp()
    return {
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    }
  },
  'client_credentials with client_secret_post': () => {
    const app = simulator.addClientCredentialsApp()
    return {
      grant: {
        type: 'client_credentials',
        client_id: app.clientId,
        client_auth: 'client_secret_post',
      },
      credential: { client_secret: app.clientSecret },
    }
  },
  'client_credentials with private_key_jwt': () => {
    const app = simulator.addClientCredentialsApp({ certificatePem: key.certificate })
    return {
      grant: {
        type: 'client_credentials',
        client_id: app.clientId,
        client_auth: 'private_key_jwt',
      },
      credential: { private_key: key.privateKey, certificate: key.certificate },
    }
  },
}

const ENGINES = { embedded: {}, redis: { redisUrl: redis.url } }

for (const [engine, options] of Object.entries(ENGINES)) {
  for (const [way, prepare] of Object.entries(WAYS)) {
    t.test(`${engine}: ${way}, from PUT to a call of Salesforce's API`, async (t) => {
      simulator.clear()
      const { call } = await startBroker(t, {
        loginHosts: [simulator.origins.myDomain],
        redisPrefix: `${engine}-${way.replaceAll(/\W/g, '-')}:`,
        ...options,
      })
      const put = await call('PUT', '/integrations/billing', {
        body: { login_url: simulator.origins.myDomain, ...prepare() },
      })
      t.equal(put.status, 201)
      t.equal(put.body.status.state, 'unproven')
      t.equal(put.headers.get('location'), '/integrations/billing')

      const first = await call('GET', '/tokens/billing')
      t.equal(first.status, 200, JSON.stringify(first.body.code))
      t.match(first.headers.get('cache-status'), 'valetkey; fwd=miss; stored')
      t.equal(first.headers.get('cache-control'), 'no-store')
      t.match(first.body, {
        integration: 'billing',
        token_type: 'Bearer',
        instance_url: simulator.origins.myDomain,
        org_id: simulator.acme.id,
        token_id: /^[A-Za-z0-9_-]{22}$/,
      })

      const api = await fetch(`${first.body.instance_url}/services/data/v60.0/`, {
        headers: { authorization: `Bearer ${first.body.access_token}` },
      })
      t.equal(api.status, 200)

      const requests = simulator.tokenRequests().length
      const second = await call('GET', '/tokens/billing')
      t.match(second.headers.get('cache-status'), /^valetkey; hit; ttl=\d+$/)
      t.equal(second.body.access_token, first.body.access_token)
      t.equal(simulator.tokenRequests().length, requests, 'the second request does not mint')

      const read = await call('GET', '/integrations/billing')
      t.match(read.body.status, {
        state: 'ready',
        lease: { token_id: first.body.token_id },
        identity: { org_id: simulator.acme.id },
      })
    })
  }
}
