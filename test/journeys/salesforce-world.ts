/** A Salesforce and a broker, for what comes of what Salesforce says. */
import type { Test } from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { REFUSALS, type RefusalReason } from '../../src/grants/refusals/refusal-table.ts'
import { explanationOf } from '../../src/grants/refusals/refusals.ts'
import type { Tried } from '../../src/grants/token-endpoint/tried.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import type { Answer } from '../support/caller.ts'
import { problemFaults } from '../support/problem.ts'
import { newSigningKey } from '../support/signing-key.ts'

export const MINUTE_MS = 60_000
/** For so long a change in Setup explains what is refused. */
export const PROPAGATION_MS = 10 * MINUTE_MS

export const key = await newSigningKey()
export const stranger = await newSigningKey('stranger')

/** A Salesforce and a broker that share a clock. */
export async function world(t: Test, moreHosts: readonly string[] = []) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const { myDomain, sandbox, login, test } = simulator.origins
  const loginHosts = [myDomain, sandbox, login, test, ...moreHosts]
  // No pause between tries.
  const broker = await startBroker(t, { loginHosts, now, random: () => 0 })
  return {
    simulator,
    broker,
    pass(ms: number) {
      aheadMs += ms
    },
  }
}

export type World = Awaited<ReturnType<typeof world>>

export interface Registered {
  readonly name: string
  readonly app: AppSeed
}

export const credentialOf = (pair: typeof key) => ({
  private_key: pair.privateKey,
  certificate: pair.certificate,
})

export type Definition = Readonly<Record<string, unknown>>
export type Way = (simulator: Simulator) => { readonly app: AppSeed; readonly body: Definition }

export const jwtBearer: Way = (simulator) => {
  const app = simulator.addJwtApp({ certificatePem: key.certificate })
  const grant = { type: 'jwt_bearer', client_id: app.clientId, username: app.username }
  return { app, body: { login_url: app.loginUrl, grant, credential: credentialOf(key) } }
}

export const clientCredentials: Way = (simulator) => {
  const app = simulator.addClientCredentialsApp()
  const grant = { type: 'client_credentials', client_id: app.clientId }
  const credential = { client_secret: app.clientSecret }
  return { app, body: { login_url: app.loginUrl, grant, credential } }
}

let count = 0

export async function register(
  { simulator, broker }: World,
  way: Way,
  change: (body: Definition) => Definition = (body) => body,
): Promise<Registered> {
  count += 1
  const name = `refused-${count}`
  const { app, body } = way(simulator)
  const put = await broker.call('PUT', `/integrations/${name}`, { body: change(body) })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  return { name, app }
}

export function assertProblem(t: Test, answer: Answer): void {
  const faults = problemFaults({
    status: answer.status,
    contentType: answer.headers.get('content-type'),
    requestId: answer.headers.get('x-request-id'),
    body: answer.body,
  })
  t.same(faults, [])
}

/** `tried`: the request, whose words are expected then. */
export function assertRefused(t: Test, answer: Answer, reason: RefusalReason, tried?: Tried): void {
  const { class: kind, ...flags } = REFUSALS[reason]
  // Where it is the signature that is refused, the credential is named.
  const isWorded = tried !== undefined && !('signature' in flags)
  const { cause, remedy, setupPath } = explanationOf(reason, tried)
  const words = isWorded ? { cause, remedy, setup_path: setupPath } : {}
  assertProblem(t, answer)
  t.match(answer, {
    status: kind === 'permanent' ? 424 : 503,
    body: {
      code: 'grant_refused',
      remedy: String,
      refusal: { reason, class: kind, ...words },
    },
  })
  t.equal(answer.headers.has('retry-after'), kind !== 'permanent', 'Retry-After where it helps')
}

/** A change forgets what was refused, and a host that failed has rested. */
export async function assertServes(t: Test, { broker, pass }: World, name: string): Promise<void> {
  pass(2 * MINUTE_MS)
  const body = { description: 'changed' }
  const headers = { 'if-match': '*' }
  t.equal((await broker.call('PATCH', `/integrations/${name}`, { body, headers })).status, 200)
  const { status, body: token } = await broker.call('GET', `/tokens/${name}`)
  t.match({ status, token }, { status: 200, token: { access_token: String } })
}

export function assertNoBug(t: Test, { logs }: TestBroker): void {
  t.same(
    logs()
      .split('\n')
      .filter((line) => /"level":"(?:error|fatal)"|"code":"internal"/.test(line)),
    [],
  )
}

/** What each way tries. */
export const TRIED = {
  jwt_bearer: { grant: 'jwt_bearer', proof: 'certificate' },
  client_credentials: { grant: 'client_credentials', proof: 'client_secret' },
} as const satisfies Record<string, Tried>

export const WAYS = { jwt_bearer: jwtBearer, client_credentials: clientCredentials }
