/** Salesforce is away for five minutes of a lease's life, by the broker's clock; one broker in this process. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../../test/support/broker.ts'
import { eventually } from '../../test/support/eventually.ts'

export interface SalesforceDown {
  readonly requests: number
  readonly errors: number
  /** Attempts that reached Salesforce while it was down. */
  readonly attempts: number
  /** Log records above `info`, by their message. */
  readonly warnings: readonly string[]
  /** What was said when it was over. */
  readonly over: readonly { readonly msg: string; readonly count: number }[]
  /** Another lease came after it. */
  readonly isRefreshed: boolean
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Of real time: enough for the refresher to look. */
const PAUSE_MS = 200
const DOWN_MS = 300_000
/** Of a lease of 450 seconds, which is due after 315 to 360. */
const DOWN_FROM_MS = 110_000

export async function salesforceDown(t: Teardown, stepMs: number): Promise<SalesforceDown> {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const simulator = await startSimulator({ now })
  t.teardown(() => simulator.stop())
  const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain], now })
  const app = simulator.addClientCredentialsApp()
  await broker.call('PUT', '/integrations/a', {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  simulator.configure({ expiresIn: 450 })
  const first = await broker.call('GET', '/tokens/a')
  let requests = 0
  let errors = 0
  let last = first
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      aheadMs += stepMs
      await sleep(PAUSE_MS)
      for (let i = 0; i < 5; i += 1) {
        last = await broker.call('GET', '/tokens/a')
        requests += 1
        if (last.status !== 200) errors += 1
      }
    }
  }
  await pass(DOWN_FROM_MS)
  const before = simulator.tokenRequests().length
  const down = simulator.addFault({ kind: 'html', times: null })
  await pass(DOWN_MS)
  const attempts = simulator.tokenRequests().length - before
  down.remove()
  const isRefreshed = await eventually(async () => {
    // Whatever rests is over by then, and the lease is not.
    if (aheadMs < DOWN_FROM_MS + DOWN_MS + 30_000) await pass(stepMs)
    last = await broker.call('GET', '/tokens/a')
    return last.body.expires_at !== first.body.expires_at && last.status === 200
  })
  await broker.stop()
  const records = broker
    .logs()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; msg: string; count?: number })
  return {
    requests,
    errors,
    attempts,
    warnings: records.filter(({ level }) => /warn|error|fatal/.test(level)).map(({ msg }) => msg),
    over: records.flatMap(({ msg, count }) => (count === undefined ? [] : [{ msg, count }])),
    isRefreshed,
  }
}
