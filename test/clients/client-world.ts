/** A broker and a Salesforce that speak HTTPS, since some clients speak nothing else. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator } from '../../simulator/simulator.ts'
import { createAuthority } from '../support/authority.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { startDoorFront } from './door-front.ts'

interface Teardown {
  teardown(end: () => unknown): void
}

interface Key {
  readonly id: string
  readonly key: string
}

/** What a program of `examples/clients` reads. */
export interface ClientSettings {
  readonly key: Key
  readonly integration: string
}

export type ClientWorld = Awaited<ReturnType<typeof startClientWorld>>

/** The one integration that every refused login names. */
const BUSY = 'busy'

export async function startClientWorld(t: Teardown) {
  const authority = createAuthority(t)
  const tls = authority.issue({
    san: 'IP:127.0.0.1,DNS:localhost',
    purpose: 'serverAuth',
    extensions: ['authorityKeyIdentifier=keyid'],
  })
  const dir = await mkdtemp(join(tmpdir(), 'valetkey-clients-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const caFile = join(dir, 'ca.pem')
  await writeFile(caFile, authority.certificate)
  const simulator = await startSimulator({ tls })
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const { call, url } = await startBrokerProcess(t, {
    adminKey: newAdminKey(),
    env: {
      VALETKEY_DATA_DIR: join(dir, 'data'),
      VALETKEY_LOGIN_HOSTS: myDomain,
      VALETKEY_TRUST_PROXY: '127.0.0.1/32',
      NODE_EXTRA_CA_CERTS: caFile,
    },
  })

  /** Each has a session of its own. */
  const addIntegration = async (name: string, change: object = {}) => {
    const app = simulator.addClientCredentialsApp()
    const body = {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      ...change,
    }
    const { status, body: answer } = await call('PUT', `/integrations/${name}`, { body })
    if (status >= 300) throw new Error(JSON.stringify(answer))
    return app.clientId
  }

  const makeKey = async (name: string, integrations: readonly string[]): Promise<Key> => {
    const body = { name, permissions: ['tokens:read'], integrations }
    const { status, body: made } = await call('POST', '/api-keys', { body })
    if (status !== 201) throw new Error(JSON.stringify(made))
    return { id: made.id, key: made.key }
  }

  // Its one login of the hour is made, and its token is gone.
  await addIntegration(BUSY, { logins_per_hour: 1 })
  await call('GET', `/tokens/${BUSY}`)
  await lifeKnown(call, BUSY)
  await call('DELETE', `/tokens/${BUSY}`)

  const wide = await makeKey('wide', ['*'])
  const elsewhere = await makeKey('elsewhere', [BUSY])
  const revoked = await makeKey('revoked', ['*'])
  await call('DELETE', `/api-keys/${revoked.id}`)

  const REFUSED = {
    wrong_key: (integration: string) => ({ key: revoked, integration }),
    wrong_name: () => ({ key: wide, integration: 'nothing' }),
    forbidden: (integration: string) => ({ key: elsewhere, integration }),
    other_grant: (integration: string) => ({ key: wide, integration }),
    rate: () => ({ key: elsewhere, integration: BUSY }),
    secret_in_url: (integration: string) => ({ key: wide, integration }),
    version: (integration: string) => ({ key: wide, integration }),
    operation: (integration: string) => ({ key: wide, integration }),
    body: (integration: string) => ({ key: wide, integration }),
  } satisfies Record<string, (integration: string) => ClientSettings>

  return {
    simulator,
    call,
    caFile,
    dir,
    addIntegration,
    makeKey,
    refused: REFUSED,
    front: (owner: Teardown) => startDoorFront(owner, url, tls),
    /** Requests for tokens that Salesforce has answered for this app. */
    logins: (clientId: string) =>
      simulator.tokenRequests().filter((request) => request.clientId === clientId).length,
  }
}
