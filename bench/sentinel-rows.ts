/** Rows of `npm run bench -- faults` about Sentinels: two promotions in a row, and one that names the wrong master. */

import { array, bulk, handshake, startFakeRedis } from '../test/support/fake-redis.ts'
import { startFleet } from '../test/support/fleet.ts'
import { startSentinel } from '../test/support/redis-sentinel.ts'
import { type PartialResult, type PartialTrouble, partialTrouble } from './cases/partial-trouble.ts'
import { type Result, type Row, shareOk, type Teardown } from './fault-row.ts'

const PER_SECOND = 300
const LONG_MS = 30_000
const SHORT_MS = 10_000

const shown = ({ hits, dead, done, refused, half, unanswered, p99Ms }: PartialResult) =>
  `${hits.length - shareOk(hits)} errors of ${hits.length}, ${dead} dead tokens, p99 ${p99Ms} ms; ${done} changes done, ${refused} refused, ${half.length} half, ${unanswered} of which it was not known`

const resultOf = (result: PartialResult, isEnough: boolean): Result => ({
  shown: shown(result),
  holds:
    isEnough &&
    shareOk(result.hits) === result.hits.length &&
    result.dead + result.half.length === 0,
})

async function twice(t: Teardown): Promise<Result> {
  const servers = await startSentinel()
  t.teardown(() => servers.stop())
  await servers.settled()
  // Both replicas: a master that is replaced while it lives confirms with the one that still follows it.
  const env = { VALETKEY_REDIS_URL: servers.url(), VALETKEY_REDIS_WAIT: '2' }
  const fleet = await startFleet(t, { replicas: 2, env })
  let promotions: Promise<void> | undefined
  const trouble: PartialTrouble = {
    losesAnswers: true,
    async begin() {
      promotions = servers
        .failover()
        .then(() => servers.settled())
        .then(() => servers.failover())
    },
    end: async () => promotions,
  }
  const options = { name: 'twice', trouble, durationMs: LONG_MS, perSecond: PER_SECOND }
  const result = await partialTrouble(fleet, options)
  return resultOf(result, result.done > 0)
}

/** It is the first in the URL, and names a replica. */
async function lie(t: Teardown): Promise<Result> {
  const servers = await startSentinel()
  t.teardown(() => servers.stop())
  await servers.settled()
  const master = await servers.master()
  const port = servers.nodes.find((node) => node !== master)?.port ?? 0
  const liar = await startFakeRedis(([name = '', ...rest]) => {
    if (name !== 'sentinel') return handshake([name, ...rest]) ?? '-ERR\r\n'
    if (rest[0]?.toLowerCase() === 'sentinels') return '*0\r\n'
    return array(bulk('127.0.0.1'), bulk(String(port)))
  })
  t.teardown(() => liar.stop())
  const url = servers.url().replace('redis+sentinel://', `redis+sentinel://127.0.0.1:${liar.port},`)
  const fleet = await startFleet(t, { replicas: 2, env: { VALETKEY_REDIS_URL: url } })
  const trouble: PartialTrouble = { begin: async () => undefined, end: async () => undefined }
  const options = { name: 'lie', trouble, durationMs: SHORT_MS, perSecond: PER_SECOND }
  const result = await partialTrouble(fleet, options)
  return resultOf(result, result.refused === 0)
}

export const SENTINEL: readonly Row[] = [
  {
    what: 'Sentinel: two promotions one after the other, with VALETKEY_REDIS_WAIT=2 and two replicas of Redis; 2 replicas, 300 requests/s',
    must: '0 errors of hits, 0 dead tokens; no change that was acknowledged is lost',
    run: twice,
  },
  {
    what: 'Sentinel: the first of four names a replica as master; 2 replicas, 300 requests/s',
    must: '0 errors, no change refused',
    run: lie,
  },
]
