import t, { type Test } from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { createCredentialsApi } from '../../../src/grants/org-api/credentials-api.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'
import { createOutbound } from '../../../src/http/outbound/outbound.ts'
import { type Answer, json, listen } from '../../http/listener.ts'

const PLACE = { app: '0xI1', consumer: '888/1' }
const SECRET = 'A1B2C3D4E5F6_a_secret'

async function setUp(t: Test, answer: Answer) {
  const server = await listen(t, answer)
  const hosts = createHostRules([server.origin])
  const outbound = createOutbound({ hosts, deadlineMs: 5_000 })
  t.teardown(() => outbound.close())
  const api = createCredentialsApi({ outbound, hosts, now: () => 0 })
  const { signal } = new AbortController()
  const caller = { instanceUrl: server.origin, accessToken: new Secret('00D!token'), signal }
  return { server, api, caller }
}

t.test('what stands beside the main pair is read in each of its forms', async (t) => {
  const url = '/services/data/v65.0/apps/oauth/credentials/0xI1/888/staged/0xS1'
  for (const [answer, expected] of [
    [
      { id: '0xS1', state: 'active' },
      { id: '0xS1', isRotated: false },
    ],
    [[{ id: '0xS1', state: 'Rotated' }], { id: '0xS1', isRotated: true }],
    [{ stagedCredentials: [{ stagedCredentialsURL: url }] }, { id: '0xS1', isRotated: false }],
    [{ stagedCredentials: [] }, undefined],
    [[], undefined],
  ] as const) {
    const { api, caller, server } = await setUp(t, json(answer))
    t.same(await api.beside(caller, PLACE), { ok: true, value: expected })
    t.match(server.requests[0]?.url, /\/credentials\/0xI1\/888%2F1\/staged$/)
  }
})

t.test('nothing that is there is no failure, also where it is to end', async (t) => {
  const gone = [{ errorCode: 'NOT_FOUND', message: 'The requested resource does not exist' }]
  const { api, caller } = await setUp(t, json(gone, 404))
  t.same(await api.beside(caller, PLACE), { ok: true, value: undefined })
  t.same(await api.remove(caller, PLACE, '0xS1'), { ok: true, value: undefined })
  t.match(await api.rotate(caller, PLACE, '0xS1'), { ok: false, refused: 'request', status: 404 })
})

t.test('a new pair has a key and a secret, which is not printed', async (t) => {
  const pair = { key: '3MVG9.new', secret: SECRET, state: 'active' }
  const { api, caller, server } = await setUp(t, json(pair, 201))
  const answer = await api.stage(caller, PLACE)
  t.match(answer, { ok: true, value: { clientId: '3MVG9.new' } })
  t.notMatch(JSON.stringify(answer), SECRET)
  t.equal(answer.ok && answer.value.clientSecret.reveal(), SECRET)
  t.match(server.requests[0], { method: 'POST', headers: { 'content-type': 'application/json' } })
})

t.test('an answer without what it is for is none', async (t) => {
  const { api, caller } = await setUp(t, json({ key: '3MVG9.new', secret: 'with a space' }))
  const invalid = { code: 'token_response_invalid' }
  await t.rejects(api.stage(caller, PLACE), invalid)
  await t.rejects(api.consumers(caller, 'Billing'), invalid)
})
