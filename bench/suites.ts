/** Every suite: what it measures, and whether plain `npm run bench` runs it. */
import { exactly, type Figure } from './figure.ts'
import type { Teardown } from './setting.ts'

export interface Suite {
  readonly what: string
  /** Only where it is named, since it takes long. */
  readonly isLong?: true
  measure(t: Teardown): Promise<readonly Figure[]>
}

export const SUITES: Readonly<Record<string, Suite>> = {
  start: {
    what: 'from the start of the process to readiness',
    async measure() {
      const { benchStart } = await import('./start.ts')
      const spread = await benchStart(10)
      const what = 'from process start to ready, ms'
      return [{ id: 'ready', what, spread, digits: 0, target: { atMost: 1_000 } }]
    },
  },
  hit: {
    what: 'the hit path against bare node:http',
    async measure(t) {
      const { figuresOfHit, measureHit } = await import('./hit.ts')
      return figuresOfHit(await measureHit(t, { rounds: 15, seconds: 2, warmSeconds: 5 }))
    },
  },
  miss: {
    what: 'the miss path, with the JWT bearer grant',
    async measure(t) {
      const { measureMiss } = await import('./miss.ts')
      return measureMiss(t, { singles: 500, perSecond: 200, seconds: 8 })
    },
  },
  scale: {
    what: '10, 1,000 and 100,000 integrations in both stores',
    async measure(t) {
      const { measureScale } = await import('./scale.ts')
      const sizes = [10, 1_000, 100_000]
      return measureScale(t, { sizes, used: 1_000, rounds: 5, seconds: 1 })
    },
  },
  fleet: {
    what: 'one, two and four replicas on one Redis',
    async measure(t) {
      const { measureFleets } = await import('./fleet.ts')
      const options = { integrations: 20, perSecond: 300, lifetimes: 2, seconds: 3 }
      return measureFleets(t, { replicas: [1, 2, 4], ...options })
    },
  },
  anonymous: {
    what: 'what those who are nobody can make the service do',
    async measure(t) {
      const { measureAnonymous } = await import('./anonymous.ts')
      const rates = { hitsPerSecond: 500, anonymousPerSecond: 1_000 }
      return measureAnonymous(t, { rounds: 5, seconds: 5, unread: 500, ...rates })
    },
  },
  peers: {
    what: 'beside Redis at each request, a signature at each request, and a login at each job',
    async measure(t) {
      const { measurePeers } = await import('./peers.ts')
      return measurePeers(t, { rounds: 5, seconds: 2, warmSeconds: 3, jobs: 100 })
    },
  },
  soak: {
    what: 'five million hits: memory stays flat',
    isLong: true,
    async measure(t) {
      const { measureSoak } = await import('./soak.ts')
      return measureSoak(t, { hits: 5_000_000 })
    },
  },
  callers: {
    what: 'what it costs a hit to know its caller',
    isLong: true,
    async measure(t) {
      const { benchCallers } = await import('./callers.ts')
      const result = await benchCallers(t, { rounds: 5, seconds: 4 })
      const { ratio, remembered, open, failures } = result
      return [
        {
          id: 'ratio',
          what: 'requests a second, remembered JWT / no authentication',
          spread: ratio,
          digits: 2,
          target: { atLeast: 0.85 },
        },
        { id: 'remembered', what: 'remembered JWT, a second', spread: remembered, digits: 0 },
        { id: 'open', what: 'no authentication, a second', spread: open, digits: 0 },
        { id: 'failures', what: 'failed requests', spread: exactly(failures), digits: 0 },
      ]
    },
  },
}
