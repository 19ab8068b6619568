/** Redis goes away under load, in every way in which it can. */
import t from 'tap'
import { type OutageKind, redisOutage } from '../../bench/cases/redis-outage.ts'
import { startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'

const REPLICAS = 3
/** Promised is 1 s; the machine may be busy. */
const SOON_MS = 4_000

const OUTAGES: Readonly<Record<string, readonly OutageKind[]>> = {
  'the server': ['kill', 'stop'],
  'the network': ['cut'],
}

for (const [where, kinds] of Object.entries(OUTAGES)) {
  t.test(`trouble of ${where} costs no caller anything`, async (t) => {
    const fleet = await startFleet(t, {
      replicas: REPLICAS,
      proxied: where === 'the network',
      redisArgs: ['--appendonly', 'yes'],
    })
    for (const kind of kinds) {
      t.test(kind, async (t) => {
        const outage = await redisOutage(fleet, { kind, downMs: 5_000, perSecond: 150 })
        const ofCallers = (seen: typeof outage.kept) =>
          tally(seen.map(({ code, status, isAlive }) => code ?? `${status} ${isAlive}`))
        t.same(ofCallers(outage.kept), { '200 true': outage.kept.length })
        t.same(ofCallers(outage.crossing), { '200 true': outage.crossing.length })
        t.ok(outage.during.length > 400, `${outage.during.length} meanwhile`)
        t.ok(outage.noticedAfterMs < 5_000, `noticed after ${outage.noticedAfterMs} ms`)
        t.ok(outage.normalAfterMs < SOON_MS, `normal after ${outage.normalAfterMs} ms`)
        t.same(tally(outage.untold.map(({ via }) => via)), {}, 'everybody was told')
        t.equal(outage.keptMints, 0)
        t.ok(
          outage.crossingMints >= 1 && outage.crossingMints <= REPLICAS,
          `${outage.crossingMints} mints`,
        )
        t.ok(outage.writes.length >= 3, `${outage.writes.length} writes`)
        for (const { code, tookMs } of outage.writes) {
          t.equal(code, 'store_unavailable')
          t.ok(tookMs < SOON_MS, `${tookMs} ms`)
        }
        t.equal(outage.ends.size, 1, 'all agree in the end')
      })
    }
  })
}
