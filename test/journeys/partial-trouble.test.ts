/** A Redis that is there, and does less than it should, in the short form of `npm run bench -- faults`. */
import t from 'tap'
import { type PartialTrouble, partialTrouble } from '../../bench/cases/partial-trouble.ts'
import { TROUBLES } from '../../bench/partial-rows.ts'
import { startFleet } from '../support/fleet.ts'

t.setTimeout(120_000)

const redisArgs = ['--enable-protected-configs', 'local']
const fleet = await startFleet(t, { replicas: 2, proxied: true, redisArgs })

for (const [at, [what, trouble]] of Object.entries<PartialTrouble>(TROUBLES).entries()) {
  t.test(what, async (t) => {
    const options = { name: `partial-${at}`, trouble, durationMs: 1_500, perSecond: 50 }
    const { hits, half, dead, done, refused, causes, told } = await partialTrouble(fleet, options)
    t.ok(hits.length > 0)
    t.same(
      hits.filter(({ status }) => status !== 200).map(({ status, code }) => code ?? status),
      [],
      'no hit notices',
    )
    t.equal(dead, 0)
    t.same(half, [], 'each change is done or refused')
    t.ok(done + refused > 0)
    if (!trouble.isSlow) t.ok(causes.length + told.length > 0, 'the operator reads why')
  })
}
