import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import { createOutageLogger } from '../../src/runtime/outage-logger.ts'

function setUp() {
  const said: string[] = []
  let clock = 0
  const outage = createOutageLogger(
    {
      info: (bindings, message) => said.push(`${message} ${JSON.stringify(bindings)}`),
      warn: (bindings, message) => said.push(`${message} ${Object.keys(bindings)}`),
    },
    'it fails',
    { monotonic: () => clock },
  )
  return {
    ...{ outage, said },
    pass(ms: number) {
      clock += ms
    },
  }
}

const away = () => new BrokerError('salesforce_unavailable', 'It is away')
const late = () => new BrokerError('salesforce_timeout', 'It is late')

t.test('an outage is logged when it begins and when it ends, with its count', async (t) => {
  const { outage, said, pass } = setUp()
  outage.over()
  for (let tries = 0; tries < 3; tries += 1) outage.report(away())
  pass(4_000)
  outage.over()
  outage.over()
  t.same(said, ['it fails err', 'over: it fails {"count":3,"seconds":4}'])
  outage.report(away())
  t.equal(said.length, 3, 'the next one is logged anew')
})

t.test('each code is logged once in an outage, in whatever order they come', async (t) => {
  const { outage, said } = setUp()
  for (let tries = 0; tries < 5; tries += 1) {
    outage.report(away())
    outage.report(late())
    outage.report(new Error('without a code'))
    outage.report(Object.assign(new Error('of the system'), { code: 'ECONNRESET' }))
  }
  t.same(said, Array(4).fill('it fails err'))
  outage.over()
  t.match(said[4], /"count":20/)
})

t.test('an error that has its own line is neither logged nor counted', async (t) => {
  const { outage, said } = setUp()
  const told = () => new BrokerError('store_unavailable', 'It is away', { isTold: true })
  outage.report(told())
  outage.over()
  t.same(said, [], 'an outage of such errors alone has no end either')
  outage.report(told())
  outage.report(away())
  outage.report(told())
  outage.over()
  t.same(said, ['it fails err', 'over: it fails {"count":1,"seconds":0}'])
})
