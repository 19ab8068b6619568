/** Valetkey beside what others do, in the same run: Redis at each request, a signature at each request, a login at each job. */
import { createPublicKey } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startRedis } from '../test/support/redis.ts'
import { type Cost, costOf, type Measured } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { HIT_PATH, startBare } from './hit.ts'
import { provideLoad } from './load.ts'
import { runJsforceJob } from './peers/jsforce-job.ts'
import { type Spread, spreadOf } from './ratio.ts'
import { prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface PeersOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  /** For each way. */
  readonly jobs: number
}

export async function measurePeers(
  t: Teardown,
  { rounds, seconds, warmSeconds, jobs }: PeersOptions,
): Promise<readonly Figure[]> {
  provideLoad()
  const setting = await prepareSetting(t)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url })
  await setting.integrate(broker, 'billing')
  await startBare(setting, broker.url)
  const answer = join(setting.folder, 'answer.json')
  const keyFile = join(setting.folder, 'issuer.pem')
  await writeFile(keyFile, publicKeyOf(setting))
  const { authorization } = setting
  const services: readonly Measured[] = [
    broker,
    await setting.server('./peers/redis-each.ts', [answer, redis.url, authorization]),
    await setting.server('./peers/verify-each.ts', [answer, keyFile]),
  ]
  const measure = (service: Measured, duration: number) =>
    costOf(service, { path: HIT_PATH, headers: { authorization }, seconds: duration })
  for (const service of services) await measure(service, warmSeconds)
  const all: Cost[][] = []
  for (let round = 0; round < rounds; round += 1) {
    const costs: Cost[] = []
    for (const service of services) costs.push(await measure(service, seconds))
    all.push(costs)
  }
  return [...figuresOfServices(all), ...(await figuresOfJobs(setting, broker.url, jobs))]
}

const publicKeyOf = ({ issuerKey }: Setting): string =>
  createPublicKey({ key: issuerKey, format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString()

function figuresOfServices(rounds: readonly (readonly Cost[])[]): readonly Figure[] {
  const of = (index: number, value: (cost: Cost) => number): Spread =>
    spreadOf(rounds.map((costs) => value(costs[index] as Cost)))
  const ratio = (index: number): Spread =>
    spreadOf(
      rounds.map(([ours, ...others]) => {
        const other = others[index - 1]
        return (ours?.requestsPerSecond ?? 0) / (other?.requestsPerSecond ?? 0)
      }),
    )
  const rate = (cost: Cost) => cost.requestsPerSecond
  const failures = rounds.flat().reduce((sum, cost) => sum + cost.failures, 0)
  return [
    { id: 'rate', what: 'Valetkey, hits a second', spread: of(0, rate), digits: 0 },
    { id: 'redis-rate', what: 'Redis at each request, a second', spread: of(1, rate), digits: 0 },
    {
      id: 'verify-rate',
      what: '`@fastify/jwt` at each request, a second',
      spread: of(2, rate),
      digits: 0,
    },
    {
      id: 'redis-ratio',
      what: 'Valetkey / Redis at each request',
      spread: ratio(1),
      digits: 2,
    },
    {
      id: 'verify-ratio',
      what: 'Valetkey / `@fastify/jwt` at each request',
      spread: ratio(2),
      digits: 2,
    },
    {
      id: 'failures',
      what: 'failed requests',
      spread: exactly(failures),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}

/** One after the other, each way in turn. */
async function figuresOfJobs(setting: Setting, brokerUrl: string, jobs: number) {
  const { simulator, authorization } = setting
  const app = simulator.addClientCredentialsApp({ name: 'job' })
  const ours: number[] = []
  const theirs: number[] = []
  const timed = async (times: number[], run: () => Promise<unknown>) => {
    const startedAt = performance.now()
    await run()
    times.push(performance.now() - startedAt)
  }
  const before = simulator.tokenRequests().length
  for (let job = 0; job < jobs; job += 1) {
    await timed(theirs, () => runJsforceJob(app))
    await timed(ours, async () => {
      const answer = await fetch(brokerUrl + HIT_PATH, { headers: { authorization } })
      if (!answer.ok) throw new Error(`${answer.status}`)
      return answer.json()
    })
  }
  const logins = simulator.tokenRequests().length - before
  // The first few load what all of them share.
  const settled = (times: readonly number[]) => spreadOf(times.slice(Math.ceil(jobs / 10)))
  const figures: readonly Figure[] = [
    { id: 'job', what: 'a token for a job from Valetkey, ms', spread: settled(ours), digits: 2 },
    {
      id: 'jsforce-job',
      what: 'a token for a job by jsforce, from a Salesforce without distance, ms',
      spread: settled(theirs),
      digits: 2,
    },
    {
      id: 'jsforce-logins',
      what: `logins that ${jobs} jobs cost with jsforce; with Valetkey none`,
      spread: exactly(logins),
      digits: 0,
    },
  ]
  return figures
}
