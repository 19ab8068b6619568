/** The day of an incident: how long it takes until Salesforce has ended every token of what is frozen. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis } from '../test/support/redis.ts'
import { exactly, type Figure } from './figure.ts'
import { eachOf, prepareMany } from './many.ts'
import { prepareSetting, type Teardown } from './setting.ts'

export interface IncidentOptions {
  /** Each has a token of its own. */
  readonly integrations: number
}

const LOOK_MS = 100

export async function measureIncident(
  t: Teardown,
  { integrations }: IncidentOptions,
): Promise<readonly Figure[]> {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const places = { redis: { redisUrl: redis.url }, embedded: {} }
  const figures: Figure[] = []
  for (const [engine, place] of Object.entries(places)) {
    const setting = await prepareSetting(t)
    const { simulator, authorization } = setting
    const broker = await setting.broker({ ...place, isProbed: false })
    const { call } = broker.process
    const { names } = await prepareMany(setting, broker, {
      ...{ prefix: 'frozen-', count: integrations, grant: 'client_credentials' as const },
    })
    const read = (name: string) =>
      fetch(`${broker.url}/tokens/${name}`, { headers: { authorization } })
    await eachOf(names, async (name) => {
      const { status } = await read(name)
      if (status !== 200) throw new Error(`${name}: ${status}`)
    })
    const orderedAt = performance.now()
    const body = { selector: { all: true }, reason: 'a bench' }
    const ordered = await call('POST', '/freezes', { body })
    if (ordered.status !== 201) throw new Error(JSON.stringify(ordered.body))
    const refused = await read(names[0] ?? '')
    const refusedMs = performance.now() - orderedAt
    if (refused.status !== 409) throw new Error(`a frozen integration: ${refused.status}`)
    for (;;) {
      const { body: report } = await call('GET', `/freezes/${ordered.body.id}`)
      if (report.tokens.failed > 0) throw new Error(JSON.stringify(report))
      if (report.state === 'done') break
      await sleep(LOOK_MS)
    }
    const seconds = (performance.now() - orderedAt) / 1_000
    if (simulator.sessions().length > 0) throw new Error('a token lives')
    figures.push(
      {
        id: `${engine}-refused`,
        what: `${engine}: from the order of a freeze to the first refusal, ms`,
        spread: exactly(refusedMs),
        digits: 0,
        target: { atMost: 1_000 },
      },
      {
        id: `${engine}-revoked`,
        what: `${engine}: until Salesforce has ended the tokens of ${integrations.toLocaleString('en-US')} integrations, s`,
        spread: exactly(seconds),
        digits: 1,
        target: { atMost: 60 },
      },
    )
    await broker.process.kill('SIGTERM')
  }
  return figures
}
