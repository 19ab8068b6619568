import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { backoffMs, createWebhookDelivery } from '../../src/webhooks/webhook-delivery.ts'
import { eventIdOf, type WebhookEvent } from '../../src/webhooks/webhook-event.ts'
import {
  createWebhookQueue,
  KEPT_MS,
  QUEUE_MAX,
  WEBHOOK_KIND,
} from '../../src/webhooks/webhook-queue.ts'
import type { SendFailure } from '../../src/webhooks/webhook-sender.ts'
import { eventually } from '../support/eventually.ts'
import { testRuntime } from '../support/runtime.ts'

const event = (integration: string, at: number): WebhookEvent => ({
  id: eventIdOf('integration.refused', integration, at),
  type: 'integration.refused',
  ...{ integration, at },
  data: {},
})

/** A queue in a real store, with a clock that the deliveries' own pauses move, and a receiver that says what the test wants. */
async function world(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-webhooks-'))
  let time = 1_000_000
  const now = () => time
  const store = createEmbeddedStore({ dataDir, now })
  const newQueue = () => createWebhookQueue({ documents: store.documents, now })
  const seen: { readonly integration: string; readonly eventAt: number; readonly at: number }[] = []
  const expired: string[] = []
  const stops: (() => Promise<void>)[] = []
  let overs = 0
  t.teardown(async () => {
    await Promise.all(stops.map((stop) => stop()))
    await store.close()
    await rm(dataDir, { recursive: true })
  })
  let answer: (event: WebhookEvent) => SendFailure | undefined = () => undefined
  /** A replica; it delivers until it stops. */
  const replica = () => {
    const queue = newQueue()
    let isIdle = false
    const delivery = createWebhookDelivery({
      queue,
      sender: {
        async send(sent) {
          seen.push({ integration: sent.integration, eventAt: sent.at, at: time })
          return answer(sent)
        },
      },
      runtime: testRuntime({
        now,
        random: () => 0,
        async sleep(ms, signal) {
          if (signal?.aborted) return
          isIdle = queue.count() === 0
          if (!isIdle) time += ms
          await new Promise<void>((resolve) => setImmediate(resolve))
        },
      }),
      onDelivered: () => undefined,
      onFailed: () => undefined,
      onExpired: (queued) => void expired.push(queued.event.integration),
      outage: {
        report(error) {
          throw error
        },
        over() {
          overs += 1
        },
      },
    })
    stops.push(delivery.stop)
    return { ...delivery, idle: () => eventually(() => isIdle) }
  }
  return {
    ...{ store, newQueue, replica, seen, expired },
    overs: () => overs,
    answers(next: typeof answer) {
      answer = next
    },
  }
}

const down = (retryAfterMs?: number): SendFailure => ({ why: 'status 500', retryAfterMs })

t.test('waits longer and longer, and at most ten minutes', async (t) => {
  const pauses = Array.from({ length: 10 }, (_, tries) => backoffMs(tries, () => 0) / 1000)
  t.same(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600])
  t.equal(backoffMs(1_000, () => 0.5) / 1000, 570)
})

t.test('delivers each in its order, and tries again what failed', async (t) => {
  const { newQueue, replica, seen, answers } = await world(t)
  const queue = newQueue()
  await queue.add(event('b', 3))
  await queue.add(event('a', 2))
  await queue.add(event('a', 1))
  let isDown = true
  answers(({ at }) => (isDown && at === 1 ? down() : undefined))
  const one = replica()
  one.start()
  await eventually(() => seen.length >= 3)
  t.same(
    seen.slice(0, 2).map(({ eventAt }) => eventAt),
    [1, 3],
    'what failed holds up its own integration alone',
  )
  isDown = false
  await one.idle()
  t.same(seen.at(-1)?.eventAt, 2, 'after what was before it')
  t.same(await newQueue().all(), [])
})

t.test('goes on where another replica was killed, and no two send the same', async (t) => {
  const { newQueue, replica, seen } = await world(t)
  const queue = newQueue()
  for (let i = 0; i < 30; i += 1) await queue.add(event(`n${i}`, i))
  const [claimed] = await queue.all()
  if (!claimed) throw new Error('nothing is queued')
  // As of a replica that was killed while it sent.
  await queue.write({ ...claimed, nextAt: claimed.nextAt + 15_000 }, claimed.version)
  const replicas = [replica(), replica()]
  for (const one of replicas) one.start()
  await Promise.all(replicas.map((one) => one.idle()))
  t.equal(seen.length, 30)
  t.equal(new Set(seen.map(({ integration }) => integration)).size, 30)
})

t.test('gives up after a day, and says so', async (t) => {
  const { newQueue, replica, seen, answers, expired, store } = await world(t)
  await newQueue().add(event('a', 1))
  answers(() => down())
  const one = replica()
  one.start()
  await one.idle()
  t.same(expired, ['a'])
  const [first, last] = [seen[0], seen.at(-1)]
  const lastedMs = (last?.at ?? 0) - (first?.at ?? 0)
  t.ok(lastedMs > KEPT_MS - 660_000 && lastedMs < KEPT_MS, `tried for ${lastedMs} ms`)
  t.ok(seen.length > 100 && seen.length < 200, `${seen.length} times`)
  t.same((await store.documents.list(WEBHOOK_KIND, { limit: 1 })).items, [])
})

t.test('leaves the receiver alone for as long as it asks', async (t) => {
  const { newQueue, replica, seen, answers } = await world(t)
  await newQueue().add(event('a', 1))
  answers(() => (seen.length === 1 ? down(1_800_000) : undefined))
  const one = replica()
  one.start()
  await one.idle()
  t.equal(seen.length, 2)
  t.ok((seen[1]?.at ?? 0) - (seen[0]?.at ?? 0) >= 1_800_000)
})

t.test('the queue knows what it has, and has an end', async (t) => {
  const { newQueue } = await world(t)
  const queue = newQueue()
  t.equal(await queue.add(event('a', 1)), 'added')
  t.equal(await queue.add(event('a', 1)), 'known')
  t.equal(await newQueue().add(event('a', 1)), 'known', 'to another replica, too')
  for (let i = 1; i < QUEUE_MAX; i += 1) await queue.add(event('a', i + 1))
  t.equal(await queue.add(event('b', 1)), 'full')
  t.equal(queue.count(), QUEUE_MAX)
})

t.test('an event of another release is delivered like any other', async (t) => {
  const { newQueue, replica, seen } = await world(t)
  await newQueue().add({ ...event('a', 1), type: 'integration.of_another_release' })
  const one = replica()
  one.start()
  await one.idle()
  t.match(seen, [{ integration: 'a', eventAt: 1 }])
})

t.test(
  'an outage of the queue is over when an event was tried, not when nothing was due',
  async (t) => {
    const { newQueue, replica, overs } = await world(t)
    const one = replica()
    one.start()
    await one.idle()
    t.equal(overs(), 0)
    await newQueue().add(event('a', 1))
    one.wake()
    await eventually(() => overs() === 1)
  },
)
