/** A fleet shares the key and the nonce of a bound integration, though each answer brings another nonce. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'

const fleet = await startFleet(t, { replicas: 3 })
const { simulator } = fleet

t.test('only the first login of the fleet is challenged, and all have one key', async (t) => {
  const app = await fleet.integrate('bound', { members: { dpop: { mode: 'on' } } })
  const jkts = new Set<string>()
  for (let round = 0; round < 6; round += 1) {
    const replica = fleet.replica(round % 3)
    const { status, body } = await replica.call('GET', '/tokens/bound')
    t.match({ status, code: body.code }, { status: 409, code: 'token_bound' })
    const { lease } = (await replica.call('GET', '/integrations/bound')).body.status
    t.match(lease, { bound: true })
    jkts.add(lease.key_thumbprint)
    t.equal((await replica.call('DELETE', '/tokens/bound')).status, 204)
    // Until the others heard of the nonce: they hear of the end of the lease after it.
    await Promise.all(
      fleet.replicas.map((one) =>
        eventually(async () => {
          const seen = await one.call('GET', '/integrations/bound')
          return seen.body.status.lease === null
        }),
      ),
    )
  }
  t.equal(jkts.size, 1)
  const outcomes = simulator.tokenRequests().map(({ outcome }) => outcome?.error ?? 'issued')
  t.equal(outcomes.filter((one) => one === 'issued').length, 6)
  const challenged = outcomes.filter((one) => one === 'use_dpop_nonce').length
  t.ok(challenged <= 2, `${challenged} challenges of 6 logins`)
  t.equal(outcomes[0], 'use_dpop_nonce')
  t.equal(fleet.mints(app), 6 + challenged, 'and nothing else was asked')
})

t.test(
  'a replica that starts later has the key, and learns the nonce by one challenge',
  async (t) => {
    await fleet.replica(1).restart('SIGKILL')
    simulator.clear()
    const { status } = await fleet.replica(1).call('GET', '/tokens/bound')
    t.equal(status, 409)
    const outcomes = simulator.tokenRequests().map(({ outcome }) => outcome?.error ?? 'issued')
    t.same(outcomes, ['use_dpop_nonce', 'issued'])
    for (const { output } of fleet.replicas) t.notMatch(output(), /"level":"error"|PRIVATE KEY/)
  },
)
