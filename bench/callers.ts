/** What it costs a hit to know its caller: a remembered JWT against the same route for everybody. */
import { type Load, load, provideLoad } from './load.ts'
import { inTurn, type Spread, spreadOf } from './ratio.ts'
import { type MeasuredBroker, prepareSetting, type Teardown } from './setting.ts'

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

const OPEN_GATE = new URL('./servers/open-gate.ts', import.meta.url).href

export async function benchCallers(
  t: Teardown,
  { rounds, seconds }: CallersOptions,
): Promise<CallersResult> {
  provideLoad()
  const setting = await prepareSetting(t)
  const start = async (nodeArgs: readonly string[]) => {
    const broker = await setting.broker({ nodeArgs })
    await setting.integrate(broker, 'billing')
    return broker
  }
  const known = await start([])
  const open = await start(['--import', OPEN_GATE])
  const measure =
    ({ url }: MeasuredBroker) =>
    (): Promise<Load> =>
      load({
        url: `${url}/tokens/billing`,
        headers: { authorization: setting.authorization },
        seconds,
      })
  await measure(known)()
  await measure(open)()
  const pairs = await inTurn(rounds, measure(known), measure(open))
  const rates = (at: 0 | 1) => spreadOf(pairs.map((pair) => pair[at].requestsPerSecond))
  return {
    ratio: spreadOf(pairs.map(([a, b]) => a.requestsPerSecond / b.requestsPerSecond)),
    remembered: rates(0),
    open: rates(1),
    failures: pairs.flat().reduce((sum, { failures }) => sum + failures, 0),
  }
}
