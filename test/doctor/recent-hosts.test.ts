import t from 'tap'
import { failed, passed } from '../../src/doctor/check.ts'
import { createRecentHosts } from '../../src/doctor/recent-hosts.ts'

const HOST = 'https://acme.my.salesforce.com'
const well = { checks: [passed('login_host', 'It answers.')], isReachable: true }
const ill = { checks: [failed('login_host', 'It does not.', 'Look.')], isReachable: false }

function setUp(answers: readonly (typeof well | Error)[]) {
  let now = 0
  let looks = 0
  const hosts = createRecentHosts(() => now)
  const find = (host = HOST) =>
    hosts.findings(host, async () => {
      const answer = answers[looks] ?? well
      looks += 1
      if (answer instanceof Error) throw answer
      return answer
    })
  return { find, looks: () => looks, pass: (ms: number) => (now += ms) }
}

t.test('good findings are good for two seconds, for one host', async (t) => {
  const { find, looks, pass } = setUp([])
  await Promise.all([find(), find()])
  pass(1_999)
  t.equal(await find(), well)
  t.equal(looks(), 1)
  await find('https://other.my.salesforce.com')
  t.equal(looks(), 2)
  pass(1)
  await find()
  t.equal(looks(), 3)
})

t.test('what was mended is seen at once', async (t) => {
  const { find, looks } = setUp([ill, new Error('a bug'), well])
  t.equal(await find(), ill)
  await t.rejects(find(), { message: 'a bug' })
  t.equal(await find(), well)
  t.equal(looks(), 3)
})

t.test('a clock that steps back makes nothing last longer', async (t) => {
  const { find, looks, pass } = setUp([])
  await find()
  pass(-60_000)
  await find()
  t.equal(looks(), 2)
})
