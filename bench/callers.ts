/** What it costs a hit to know its caller: a remembered JWT against the same route for everybody. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulator } from '../simulator/simulator.ts'
import { newAdminKey, startBrokerProcess } from '../test/support/broker.ts'
import { startIssuer } from '../test/support/issuer.ts'
import { type Load, load, provideLoad } from './load.ts'
import { inTurn, type Spread, spreadOf } from './ratio.ts'

export interface CallersResult {
  /** Requests a second of the remembered JWT caller over those without authentication. */
  readonly ratio: Spread
  readonly remembered: Spread
  readonly open: Spread
  readonly failures: number
}

export interface CallersOptions {
  readonly rounds: number
  readonly seconds: number
}

const SUBJECT = 'system:serviceaccount:billing:default'
const OPEN_GATE = new URL('./servers/open-gate.ts', import.meta.url).href

export async function benchCallers({ rounds, seconds }: CallersOptions): Promise<CallersResult> {
  provideLoad()
  const ends: (() => unknown)[] = []
  const t = { teardown: (end: () => unknown) => ends.unshift(end) }
  try {
    const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const simulator = await startSimulator()
    t.teardown(() => simulator.stop())
    const issuer = await startIssuer()
    t.teardown(() => issuer.stop())
    const config = join(folder, 'valetkey.yaml')
    await writeFile(
      config,
      JSON.stringify({
        issuers: [{ issuer: issuer.issuer, audience: 'valetkey', jwks_uri: issuer.jwksUri }],
        callers: [
          {
            name: 'billing',
            match: { issuer: issuer.issuer, subject: SUBJECT },
            permissions: ['tokens:read'],
            integrations: ['billing'],
          },
        ],
      }),
    )
    const jwt = await issuer.sign({ sub: SUBJECT })
    const start = async (name: string, nodeArgs: readonly string[]) => {
      const broker = await startBrokerProcess(t, {
        adminKey: newAdminKey(),
        nodeArgs,
        env: {
          VALETKEY_DATA_DIR: join(folder, name),
          VALETKEY_CONFIG: config,
          VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
          VALETKEY_AUDIT_FILE: join(folder, `${name}.audit`),
        },
      })
      const app = simulator.addClientCredentialsApp()
      await broker.call('PUT', '/integrations/billing', {
        body: {
          login_url: simulator.origins.myDomain,
          grant: { type: 'client_credentials', client_id: app.clientId },
          credential: { client_secret: app.clientSecret },
        },
      })
      return broker
    }
    const known = await start('known', [])
    const open = await start('open', ['--import', OPEN_GATE])
    const measure = (url: string): Promise<Load> =>
      load({ url: `${url}/tokens/billing`, headers: { authorization: `Bearer ${jwt}` }, seconds })
    await measure(known.url)
    await measure(open.url)
    const pairs = await inTurn(
      rounds,
      () => measure(known.url),
      () => measure(open.url),
    )
    const rates = (at: 0 | 1) => spreadOf(pairs.map((pair) => pair[at].requestsPerSecond))
    return {
      ratio: spreadOf(pairs.map(([a, b]) => a.requestsPerSecond / b.requestsPerSecond)),
      remembered: rates(0),
      open: rates(1),
      failures: pairs.flat().reduce((sum, { failures }) => sum + failures, 0),
    }
  } finally {
    for (const end of ends) await end()
  }
}
