/** An integration whose certificate is deployed with another one's token, in a simulator of its own. */
import type { Test } from 'tap'
import type { Simulator } from '../../simulator/handle.ts'
import { type SimulatorOptions, startSimulator } from '../../simulator/simulator.ts'
import { type BrokerOptions, startBroker, type TestBroker } from './broker.ts'
import type { Call } from './caller.ts'
import { eventually } from './eventually.ts'
import { newSigningKey } from './signing-key.ts'

export interface Deployable {
  readonly simulator: Simulator
  readonly broker: TestBroker
  readonly app: ReturnType<Simulator['addJwtApp']>
}

export interface DeployableOptions {
  readonly simulator?: SimulatorOptions
  readonly broker?: Partial<BrokerOptions>
  /** More of `deployment`. */
  readonly deployment?: object
}

export const CREDENTIALS = '/integrations/billing/credentials'

/** Who deploys. */
export const DEPLOYER = 'deployer@acme.com'

/** `billing`, and `deployer`, whose token is not served. */
export async function defineDeployable(
  t: Test,
  simulator: Simulator,
  call: Call,
  deployment: object = {},
): Promise<Deployable['app']> {
  const key = await newSigningKey()
  const { myDomain } = simulator.origins
  const admin = simulator.addUser({ username: DEPLOYER })
  const secret = simulator.addClientCredentialsApp({ username: admin.username })
  const through = await call('PUT', '/integrations/deployer', {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: secret.clientId },
      credential: { client_secret: secret.clientSecret },
      serve_tokens: false,
    },
  })
  t.equal(through.status, 201)
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const billing = await call('PUT', '/integrations/billing', {
    body: {
      login_url: myDomain,
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: 'billing@acme.com' },
      credential: { private_key: key.privateKey, certificate: key.certificate },
      deployment: { through: 'deployer', app: app.apiName, ...deployment },
    },
  })
  t.equal(billing.status, 201, JSON.stringify(billing.body))
  return app
}

export async function deployable(t: Test, options: DeployableOptions = {}): Promise<Deployable> {
  const simulator = await startSimulator(options.simulator)
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const broker = await startBroker(t, { loginHosts: [myDomain], ...options.broker })
  const app = await defineDeployable(t, simulator, broker.call, options.deployment)
  return { simulator, broker, app }
}

type At = { readonly call: Call }

export const stageKey = async ({ call }: At): Promise<string> =>
  (await call('POST', CREDENTIALS, { body: { generate: {} } })).body.id

export const deploy = ({ call }: At, id: string, more: object = {}) =>
  call('POST', `${CREDENTIALS}/${id}/deploy`, more)

export const deploymentOf = async ({ call }: At, id: string) =>
  (await call('GET', `${CREDENTIALS}/${id}/deployment`)).body

/** The deployment, once it is in one of the phases. */
export const phaseIs = (at: At, id: string, ...phases: readonly string[]) =>
  eventually(async () => {
    const deployment = await deploymentOf(at, id)
    return phases.includes(deployment.phase) ? deployment : undefined
  })

/** By id. */
export async function statesOf({ call }: At): Promise<Readonly<Record<string, string>>> {
  const { items } = (await call('GET', CREDENTIALS)).body
  return Object.fromEntries(
    items.map(({ id, state }: { id: string; state: string }) => [id, state]),
  )
}

export const activeId = async (at: At): Promise<string> =>
  Object.entries(await statesOf(at)).find(([, state]) => state === 'active')?.[0] ?? ''

/** What the audit says of a credential. */
export const auditOf = (broker: TestBroker, id: string) =>
  broker
    .audit()
    .filter(({ detail }) => detail?.credential === id)
    .map(({ action, outcome, detail }) => [action, outcome, detail?.reason])
