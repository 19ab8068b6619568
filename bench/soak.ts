/** Millions of hits on one process: what it holds after the first million is what it holds after the last. */
import { startRedis } from '../test/support/redis.ts'
import { costOf } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { HIT_PATH } from './hit.ts'
import { provideLoad } from './load.ts'
import { spreadOf } from './ratio.ts'
import { prepareSetting, type Teardown } from './setting.ts'

const MILLION = 1_000_000
const MEGABYTE = 1024 * 1024
/** Between two looks. */
const STEP_SECONDS = 5

export async function measureSoak(
  t: Teardown,
  { hits }: { readonly hits: number },
): Promise<readonly Figure[]> {
  provideLoad()
  const setting = await prepareSetting(t)
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const broker = await setting.broker({ redisUrl: redis.url })
  await setting.integrate(broker, 'billing')
  const { authorization } = setting
  const step = () =>
    costOf(broker, { path: HIT_PATH, headers: { authorization }, seconds: STEP_SECONDS })

  let done = 0
  let failures = 0
  const rss: number[] = []
  const heapOf = async () => (await broker.probe.collected()).heapBytes / MEGABYTE
  let heapBefore: number | undefined
  while (done < hits) {
    const cost = await step()
    done += cost.requests
    failures += cost.failures
    if (done < MILLION) continue
    rss.push((await broker.probe.read()).rssBytes / MEGABYTE)
    // A collection at each look would hide what grows in between.
    heapBefore ??= await heapOf()
  }
  const heapGrowth = (await heapOf()) - (heapBefore ?? Number.NaN)
  const rssGrowth = Math.max(...rss) - (rss[0] ?? Number.NaN)
  return [
    {
      id: 'rss-growth',
      what: `RSS after ${hits / MILLION} million hits, at most, less that after the first million, MB`,
      spread: exactly(rssGrowth),
      digits: 1,
      target: { atMost: 20 },
    },
    { id: 'rss', what: 'RSS, MB', spread: spreadOf(rss), digits: 1 },
    {
      id: 'heap-growth',
      what: 'the heap in use, in the same way, MB',
      spread: exactly(heapGrowth),
      digits: 1,
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
