/** One mint for the whole fleet: several processes, one Redis, many callers, and a holder of the lock that fails. */
import t from 'tap'
import { callAll, coldHerd } from '../../bench/cases/cold-herd.ts'
import { holderKilled, holderOvertaken, STALLED, STOPPED } from '../../bench/cases/lock-holder.ts'
import { startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'

const fleet = await startFleet(t, { replicas: 4 })

t.test('2,000 concurrent cold callers cost one login, and get one token', async (t) => {
  const { seen, requests } = await coldHerd(fleet, { name: 'herd', callers: 2_000, delayMs: 1_000 })
  t.same(tally(seen.map(({ status }) => status)), { 200: 2_000 })
  t.equal(new Set(seen.map(({ token }) => token)).size, 1)
  t.equal(requests, 1)
  t.equal(seen.filter(({ via }) => via === 'valetkey; fwd=miss; stored').length, 1)
})

t.test('2,000 concurrent cold callers of a refused integration cost one login', async (t) => {
  const { seen, requests } = await coldHerd(fleet, {
    name: 'refused',
    callers: 2_000,
    delayMs: 1_000,
    refusal: 'user_not_admin_approved',
  })
  t.ok(
    seen.every(
      ({ status, code }) => (status === 424 || status === 503) && code === 'grant_refused',
    ),
    JSON.stringify(tally(seen.map(({ status, code }) => `${status} ${code}`))),
  )
  t.equal(requests, 1)
  const again = await callAll(fleet, 'refused', 40)
  t.ok(again.every(({ code }) => code === 'grant_refused'))
  t.equal(fleet.simulator.tokenRequests().length, 2, 'remembered, by all')
})

t.test('the others go on when the holder of the lock is killed', async (t) => {
  const { seen, requests, tookMs } = await holderKilled(fleet, 'killed', 30)
  t.same(tally(seen.map(({ status }) => status)), { 200: 30 })
  t.equal(new Set(seen.map(({ token }) => token)).size, 1)
  t.ok(requests <= 2, `${requests} requests`)
  t.ok(tookMs < 8_000, `${tookMs} ms`)
})

for (const [how, absence] of Object.entries({
  'is stopped past the end of its lock': STOPPED,
  'loses sight of the store, which gets its write at last': STALLED,
})) {
  t.test(`no older lease replaces a newer one when the holder ${how}`, async (t) => {
    const own = absence === STALLED ? await startFleet(t, { replicas: 2, proxied: true }) : fleet
    const result = await holderOvertaken(own, 'overtaken', absence)
    const { newer, older, after, stored, requests } = result
    t.match(newer, /^[\w-]{22}$/)
    t.not(newer, older)
    t.same(tally(after), { [newer]: after.length })
    t.equal(stored, newer)
    // Should the machine be slow, the holder's attempt is over when it wakes up, and it tries again.
    t.ok(requests <= 3, `${requests} requests`)
  })
}
