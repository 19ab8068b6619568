/** A signing key is rotated while callers ask, over real replicas on one Redis: nobody notices. */
import t from 'tap'
import { LIFETIME_SECONDS, rotationUnderLoad } from '../../bench/cases/rotation.ts'
import { allHear, startFleet } from '../support/fleet.ts'
import { tally } from '../support/load.ts'

/** The bench does it at 300 requests a second, with a window of 20 s. */
const [PER_SECOND, WINDOW_MS] = [100, 4_500]

t.setTimeout(60_000)

t.test('no caller notices a rotation while Salesforce gives mixed answers', async (t) => {
  const fleet = await startFleet(t, { replicas: 3, settings: { expiresIn: LIFETIME_SECONDS } })
  await allHear(fleet)
  const result = await rotationUnderLoad(fleet, {
    name: 'billing',
    perSecond: PER_SECOND,
    windowMs: WINDOW_MS,
  })
  const { seen, flips, states, count, requests, refused, loginsLastHour } = result
  t.same(tally(seen.map(({ status, code }) => code ?? status)), { 200: seen.length })
  t.ok(seen.length > (PER_SECOND * WINDOW_MS) / 1_000, `${seen.length} callers`)
  t.ok(seen.every(({ isAlive }) => isAlive))
  // A hit that takes so long says that this machine is slow.
  const waits = seen.filter(({ start, end, via }) => end - start > 1_000 && !via.includes('hit'))
  t.same(waits, [], 'nobody waits for longer than a second')
  t.equal(flips, 1)
  t.same(states, { former: 'retired', staged: 'active' })
  t.equal(count, 2)
  t.ok(refused > 0, 'Salesforce gave mixed answers')
  t.ok(loginsLastHour >= requests, 'every request was charged')
})
