/** What is acknowledged on one replica is obeyed by all others within a second. */
import t from 'tap'
import { obedience, type Trouble } from '../../bench/cases/obedience.ts'
import { startFleet } from '../support/fleet.ts'

const fleet = await startFleet(t, { replicas: 3, proxied: true })

const TROUBLES: Readonly<Record<Trouble, string>> = {
  none: 'all are well',
  paused: 'one was paused for five seconds',
  deaf: 'one does not hear of changes',
}

for (const [trouble, how] of Object.entries(TROUBLES)) {
  t.test(`revoked, disabled, frozen, deleted and moved means so for all when ${how}`, async (t) => {
    const { checked, violations, degraded } = await obedience(fleet, trouble as Trouble, 120)
    t.ok(checked > 100, `${checked} answers`)
    t.same(violations, [])
    t.comment(`${degraded.length} while the store was out of sight`)
  })
}
