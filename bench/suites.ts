/** Every suite: what it measures, and whether plain `npm run bench` runs it. */
import { exactly, type Figure } from './figure.ts'
import type { Teardown } from './setting.ts'

export interface Suite {
  readonly what: string
  /** Only where it is named, since it takes long. */
  readonly isLong?: true
  /** `isShort`: fewer and shorter rounds, where it has a short form. */
  measure(t: Teardown, isShort: boolean): Promise<readonly Figure[]>
}

export const SUITES: Readonly<Record<string, Suite>> = {
  start: {
    what: 'from the start of the process to readiness',
    async measure() {
      const { measureStart } = await import('./start.ts')
      return measureStart({ rounds: 10, idleMs: 5_000 })
    },
  },
  hit: {
    what: 'the hit path against bare node:http',
    async measure(t) {
      const { figuresOfHit, measureHit } = await import('./hit.ts')
      return figuresOfHit(await measureHit(t, { rounds: 15, seconds: 2, warmSeconds: 5 }))
    },
  },
  doors: {
    what: 'a hit at each door, beside one at GET /tokens',
    async measure(t, isShort) {
      const { measureDoors } = await import('./doors.ts')
      const rounds = isShort
        ? { rounds: 3, seconds: 1, warmSeconds: 1 }
        : { rounds: 9, seconds: 2, warmSeconds: 3 }
      return measureDoors(t, { ...rounds, clients: 2_000 })
    },
  },
  proofs: {
    what: 'proofs for bound tokens, beside a hit, and through nginx',
    async measure(t, isShort) {
      const { measureProofs } = await import('./proofs.ts')
      const rounds = isShort
        ? { rounds: 3, seconds: 1, warmSeconds: 2 }
        : { rounds: 9, seconds: 2, warmSeconds: 3 }
      return measureProofs(t, rounds)
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
  list: {
    what: 'pages of 200 of 100,000 integrations with tokens, and the status page, in both stores',
    async measure(t, isShort) {
      const { measureList } = await import('./list.ts')
      return measureList(t, { integrations: isShort ? 3_000 : 100_000, pages: 20 })
    },
  },
  incident: {
    what: '1,000 integrations frozen, and their tokens ended at Salesforce',
    async measure(t, isShort) {
      const { measureIncident } = await import('./incident.ts')
      return measureIncident(t, { integrations: isShort ? 100 : 1_000 })
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
    what: 'beside OpenBao, Redis at each request, a signature at each request, and a login at each job',
    async measure(t, isShort) {
      const { measurePeers } = await import('./peers.ts')
      const { measureBesideOpenbao } = await import('./openbao-rows.ts')
      const [rounds, seconds] = isShort ? [3, 1] : [5, 2]
      const own = await measurePeers(t, { rounds, seconds, warmSeconds: 3, jobs: 100 })
      const beside = await measureBesideOpenbao(t, {
        hits: { rounds, seconds },
        firstReads: isShort
          ? { rounds: 3, near: 40, far: 5, warm: 150 }
          : { rounds: 5, near: 80, far: 8, warm: 400 },
        footprint: isShort ? { count: 2_000, rounds: 2 } : { count: 10_000, rounds: 5 },
      })
      return [...own, ...beside]
    },
  },
  signers: {
    what: "a mint that OpenBao's Transit signs, beside one that the process signs",
    async measure(t, isShort) {
      const { measureSigners } = await import('./signers.ts')
      const short = { rounds: 3, mints: 40, warm: 100 }
      return measureSigners(t, isShort ? short : { rounds: 5, mints: 100, warm: 300 })
    },
  },
  idle: {
    what: 'what a replica that nobody asks asks of Redis',
    async measure(t, isShort) {
      const { measureIdle } = await import('./idle.ts')
      // The rarest work of an idle replica comes every half a minute, several commands at once.
      return measureIdle(t, { integrations: 20, rounds: isShort ? 1 : 4, seconds: 30 })
    },
  },
  recovery: {
    what: 'Salesforce is away and comes back, and one org is ill',
    isLong: true,
    async measure(t, isShort) {
      const { measureRecovery } = await import('./recovery.ts')
      return measureRecovery(t, { awaySeconds: isShort ? 10 : 70 })
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
