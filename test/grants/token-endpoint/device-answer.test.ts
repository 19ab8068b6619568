import t from 'tap'
import { checkDeviceAnswer } from '../../../src/grants/token-endpoint/device-answer.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'

const hosts = createHostRules([])
const ANSWER = {
  device_code: 'code.of_device',
  user_code: 'ABCD2345',
  verification_uri: 'https://acme.my.salesforce.com/setup/connect',
  interval: 5,
}

t.test('reads what Salesforce says, and fills in what it does not', async (t) => {
  const code = checkDeviceAnswer(ANSWER, hosts)
  t.match(code, { userCode: 'ABCD2345', intervalMs: 5_000, lifetimeMs: 600_000 })
  t.equal(code.verificationUri, ANSWER.verification_uri)
  t.equal(code.deviceCode.reveal(), ANSWER.device_code)
  t.equal(checkDeviceAnswer({ ...ANSWER, interval: '7' }, hosts).intervalMs, 7_000)
  t.equal(checkDeviceAnswer({ ...ANSWER, interval: 0 }, hosts).intervalMs, 1_000)
  t.equal(checkDeviceAnswer({ ...ANSWER, expires_in: 1e9 }, hosts).lifetimeMs, 1_800_000)
})

t.test('sends nobody to a place that is not Salesforce’s, and takes no half answer', async (t) => {
  const bad = [
    { verification_uri: 'https://acme.my.salesforce.com.evil.example/setup/connect' },
    { verification_uri: 'http://acme.my.salesforce.com/setup/connect' },
    { verification_uri: 'https://user@acme.my.salesforce.com/' },
    { verification_uri: 'javascript:alert(1)' },
    { verification_uri: undefined },
    { user_code: '<b>' },
    { user_code: undefined },
    { device_code: undefined },
    { device_code: 'with space' },
  ]
  for (const change of bad) {
    t.throws(
      () => checkDeviceAnswer({ ...ANSWER, ...change }, hosts),
      { code: 'token_response_invalid' },
      JSON.stringify(change),
    )
  }
})
