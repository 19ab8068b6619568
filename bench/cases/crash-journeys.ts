/** Rotations on whose way a broker is killed. */
import type { Call } from '../../test/support/caller.ts'
import { eventually } from '../../test/support/eventually.ts'
import { makeSigning, type Rotatable, type World } from '../../test/support/rotatable.ts'
import { newSigningKey } from '../../test/support/signing-key.ts'

const QUIET_MS = 16 * 60_000
const key = await newSigningKey()
const fresh = await newSigningKey()
const FRESH = { private_key: fresh.privateKey, certificate: fresh.certificate }

export interface CrashJourney {
  readonly engine: 'embedded' | 'redis'
  /** Up to the step in which the broker is killed. */
  prepare(world: World, name: string): Promise<Rotatable>
  /** What an operator or a service asks for. None: it happens by itself. */
  act?(call: Call, integration: Rotatable): Promise<unknown>
  /** Audit events that are the last to come of it. */
  readonly events: readonly string[]
  readonly aheadMs?: number
  /** States in which a crash may leave the credentials, the first one's first; the last is what comes of it. */
  readonly legal: readonly string[]
  /** Salesforce is not asked. */
  readonly offline?: true
  /** What signs with its credential. */
  readonly follower?: string
  /** What the broker that comes after it goes on with, until it is done. */
  goOn?(call: Call, integration: Rotatable): Promise<unknown>
}

export const CRASH_JOURNEYS: Readonly<Record<string, CrashJourney>> = {
  'a staged key becomes active by itself': {
    engine: 'redis',
    async prepare(world, name) {
      const integration = await makeSigning(world, name, { key })
      const staged = await integration.stage(FRESH)
      integration.upload(staged.certificate)
      return integration
    },
    act: (call, { name }) => call('GET', `/tokens/${name}`),
    events: ['credential.activated', 'token.minted'],
    legal: ['active staged', 'retired active'],
  },
  'a credential of another app is activated by an operator': {
    engine: 'embedded',
    async prepare(world, name) {
      const integration = await makeSigning(world, name, { key })
      const { app } = integration
      await world.call('PUT', '/integrations/follower', {
        body: {
          login_url: app.loginUrl,
          grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
          credential: { from: name },
        },
      })
      const green = world.simulator.addJwtApp({ certificatePem: FRESH.certificate })
      await integration.stage({ ...FRESH, client_id: green.clientId })
      await integration.token()
      return integration
    },
    async act(call, { credentials }) {
      const { items } = (await call('GET', credentials)).body
      const { id } = items.find(({ state }: { state: string }) => state === 'staged')
      await call('POST', `${credentials}/${id}/activate`)
    },
    events: ['credential.activated'],
    legal: ['active staged', 'retired active'],
    follower: 'follower',
  },
  'a fresh credential is put in place of the former': {
    engine: 'embedded',
    prepare: (world, name) => makeSigning(world, name, { key }),
    async act(call, { path }) {
      await call('PATCH', path, {
        body: { credential: FRESH },
        headers: { 'if-match': '*' },
      })
    },
    events: ['integration.changed', 'credential.activated'],
    legal: ['retired active'],
    offline: true,
  },
  'a certificate is deployed': {
    engine: 'embedded',
    async prepare(world, name) {
      const { username } = world.simulator.addUser({ username: 'deployer@acme.com' })
      const deployer = world.simulator.addClientCredentialsApp({ username })
      const put = await world.call('PUT', '/integrations/deployer', {
        body: {
          login_url: deployer.loginUrl,
          grant: { type: 'client_credentials', client_id: deployer.clientId },
          credential: { client_secret: deployer.clientSecret },
          serve_tokens: false,
        },
      })
      if (put.status !== 201) throw new Error(JSON.stringify(put.body))
      const app = { name: 'Deployed' }
      const integration = await makeSigning(world, name, { key, app })
      const { apiName } = integration.app as { apiName?: string }
      const members = { deployment: { through: 'deployer', app: apiName } }
      await world.call('PATCH', integration.path, { body: members, headers: { 'if-match': '*' } })
      await integration.stage(FRESH)
      return integration
    },
    async act(call, { credentials, firstId }) {
      await call('POST', `${credentials}/${await otherThan(firstId, call, credentials)}/deploy`)
    },
    events: ['credential.deployed', 'credential.activated'],
    legal: ['active staged', 'retired active'],
    async goOn(call, { credentials, firstId }) {
      const of = `${credentials}/${await otherThan(firstId, call, credentials)}/deployment`
      const { status } = await call('GET', of)
      // Killed before it was noted, it was not acknowledged either.
      if (status !== 200) return
      await eventually(async () => (await call('GET', of)).body.phase === 'activated')
    },
  },
  'a retired secret is erased': {
    engine: 'embedded',
    async prepare(world, name) {
      const integration = await makeSigning(world, name, { key })
      const staged = await integration.stage(FRESH)
      integration.upload(staged.certificate)
      await integration.activate(staged.id)
      return integration
    },
    events: ['credential.erased'],
    aheadMs: QUIET_MS,
    legal: ['retired active', 'gone active'],
  },
}

async function otherThan(firstId: string, call: Call, credentials: string): Promise<string> {
  const { items } = (await call('GET', credentials)).body
  return items.find(({ id }: { id: string }) => id !== firstId).id
}
