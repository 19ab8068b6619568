import t from 'tap'
import { createSalesforceClock } from '../../src/grants/salesforce-clock.ts'

const HOST = 'acme.my.salesforce.com'
const at = (ms: number) => new Date(ms).toUTCString()

function setUp() {
  const alarms: [string, number][] = []
  const clock = createSalesforceClock({ onSkew: (host, aheadMs) => alarms.push([host, aheadMs]) })
  const learn = (date: string | undefined, sentAt: number, receivedAt: number) =>
    clock.learn(HOST, { date, sentAt, receivedAt })
  return { clock, learn, alarms }
}

t.test('clocks that may be the same are taken for the same', async (t) => {
  const { clock, learn } = setUp()
  learn(at(10_000), 10_900, 10_950)
  t.equal(clock.aheadMs(HOST), 0)
  learn(at(10_000), 8_000, 12_000)
  t.equal(clock.aheadMs(HOST), 0, 'a slow answer proves nothing')
})

t.test('a difference is what is left when seconds and the way are taken off', async (t) => {
  const { clock, learn } = setUp()
  learn(at(310_000), 10_000, 10_050)
  t.equal(clock.aheadMs(HOST), 299_950)
  learn(at(10_000), 310_000, 310_050)
  t.equal(clock.aheadMs(HOST), -299_000)
})

t.test('half a minute raises one alarm, and its end is said too', async (t) => {
  const { learn, alarms } = setUp()
  learn(at(310_000), 10_000, 10_000)
  learn(at(311_000), 11_000, 11_000)
  learn(at(12_000), 12_000, 12_000)
  t.same(alarms, [
    [HOST, 300_000],
    [HOST, 0],
  ])
})

t.test('an answer without a proper Date changes nothing', async (t) => {
  const { clock, learn } = setUp()
  learn(at(310_000), 10_000, 10_000)
  learn(undefined, 0, 0)
  learn('yesterday', 0, 0)
  t.equal(clock.aheadMs(HOST), 300_000)
})
