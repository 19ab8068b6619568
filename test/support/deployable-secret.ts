/** An integration whose client secret is replaced at Salesforce with another one's token, in a simulator of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Simulator } from '../../simulator/handle.ts'
import type { Settings } from '../../simulator/settings.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker } from './broker.ts'
import type { Call } from './caller.ts'
import { DEPLOYER } from './deployable.ts'

/** `billing`, and `deployer`, whose token is not served. */
export async function defineSecretive(
  t: Test,
  simulator: Simulator,
  call: Call,
  deployment: object = {},
) {
  const { myDomain } = simulator.origins
  const { username } = simulator.addUser({ username: DEPLOYER })
  const define = async (
    name: string,
    { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
    members: object,
  ) => {
    const body = {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: clientId },
      credential: { client_secret: clientSecret },
      ...members,
    }
    const { status, body: answer } = await call('PUT', `/integrations/${name}`, { body })
    t.equal(status, 201, JSON.stringify(answer))
  }
  await define('deployer', simulator.addClientCredentialsApp({ name: 'Deployer', username }), {
    serve_tokens: false,
  })
  const app = simulator.addClientCredentialsApp({ name: 'Billing' })
  await define('billing', app, {
    deployment: { through: 'deployer', app: app.apiName, ...deployment },
  })
  return app
}

export interface SecretiveOptions {
  /** More of `deployment`. */
  readonly deployment?: object
  readonly settings?: Partial<Settings>
}

/** Time passes when `later` says so, beside its usual pace. */
export async function secretive(
  t: Test,
  { deployment = {}, settings = {} }: SecretiveOptions = {},
) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now, settings })
  t.teardown(() => simulator.stop())
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-secretive-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const options = {
    loginHosts: [simulator.origins.myDomain],
    keyring: generateKeyring(Date.now()).reveal(),
    adminKey: newAdminKey(),
    ...{ dataDir, now },
  }
  const restart = () => startBroker(t, options)
  const broker = await restart()
  const app = await defineSecretive(t, simulator, broker.call, deployment)
  const later = (ms: number) => {
    aheadMs += ms
  }
  return { simulator, broker, app, later, restart, dataDir, deployer: DEPLOYER }
}
