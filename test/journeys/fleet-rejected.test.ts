/** Rejected tokens, and tokens that several integrations share: one answer for the whole fleet. */
import t from 'tap'
import { callAll } from '../../bench/cases/cold-herd.ts'
import { rejections } from '../../bench/cases/rejections.ts'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { createAsker, tally } from '../support/load.ts'

const fleet = await startFleet(t, { replicas: 3 })
const asker = createAsker({ key: fleet.key })
t.teardown(() => asker.close())
const askAll = (name: string) => Promise.all(fleet.urls().map((url) => asker.ask([url], name)))

t.test(
  'a live token that 100 callers reject costs one login, and no other within 30 s',
  async (t) => {
    const result = await rejections(fleet, { name: 'live', callers: 100, token: 'live' })
    const { seen, requests, again, requestsAgain } = result
    for (const answers of [seen, again]) {
      t.same(tally(answers.map(({ status, code }) => `${status} ${code}`)), {
        '409 token_still_live': 100,
      })
    }
    t.equal(requests, 1)
    t.equal(requestsAgain, 0)
    t.same(
      tally((await askAll('live')).map(({ status }) => status)),
      { 200: 3 },
      'it is still served',
    )
  },
)

t.test('a dead token that 100 callers reject is replaced once, for all', async (t) => {
  const result = await rejections(fleet, { name: 'dead', callers: 100, token: 'dead' })
  const { seen, requests, again, requestsAgain } = result
  t.same(tally([...seen, ...again].map(({ status }) => status)), { 200: 200 })
  t.equal(new Set([...seen, ...again].map(({ token }) => token)).size, 1)
  t.equal(requests, 1)
  t.equal(requestsAgain, 0, 'who is late gets the new one')
})

t.test('rejecting may spend a quarter of the logins', async (t) => {
  const app = await fleet.integrate('quarter', { members: { logins_per_hour: 8 } })
  let { tokenId } = await asker.ask(fleet.urls(), 'quarter')
  const statuses: number[] = []
  for (let i = 0; i < 3; i += 1) {
    await lifeKnown(fleet.call, 'quarter')
    fleet.simulator.endSessions({ clientId: app.clientId })
    const [answer] = await callAll(fleet, 'quarter', 1, `?rejected=${tokenId}`)
    statuses.push(answer?.status ?? 0)
    tokenId = answer?.tokenId ?? tokenId
    if (answer?.status === 429) t.equal(answer.code, 'login_budget_exhausted')
  }
  t.same(statuses, [200, 200, 429])
  t.equal(fleet.mints(app), 3)
})

t.test('integrations that share a token lose it together', async (t) => {
  const app = await fleet.integrate('twin-a')
  await fleet.integrate('twin-b', { app })
  const [a] = await askAll('twin-a')
  const [b] = await askAll('twin-b')
  t.ok(a?.token)
  t.equal(a?.token, b?.token)
  const { body } = await fleet.call('GET', '/integrations/twin-a')
  t.same(body.status.shares_token_with, ['twin-b'])

  const kept = await fleet.call('DELETE', '/integrations/twin-b', { headers: { 'if-match': '*' } })
  t.equal(kept.status, 204)
  t.equal((await askAll('twin-a'))[0]?.token, a?.token, 'a deletion leaves it to the other')
  await fleet.integrate('twin-b', { app })
  t.equal((await askAll('twin-b'))[0]?.token, a?.token)

  for (const name of ['twin-a', 'twin-b']) await lifeKnown(fleet.call, name)
  fleet.simulator.endSessions({ clientId: app.clientId })
  const before = fleet.mints(app)
  await callAll(fleet, 'twin-a', 3, `?rejected=${a?.tokenId}`)
  const afterwards = await eventually(async () => {
    const seen = [...(await askAll('twin-b')), ...(await askAll('twin-a'))]
    return seen.some(({ token }) => token === a?.token) ? undefined : seen
  }, 1_000)
  t.equal(new Set(afterwards.map(({ token }) => token)).size, 1)
  t.equal(fleet.mints(app) - before, 2, 'one login for each')
})
