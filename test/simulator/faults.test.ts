import t from 'tap'
import type { FaultRule } from '../../simulator/faults.ts'
import {
  accessToken,
  get,
  introspect,
  mintBySecret,
  post,
  revoke,
  simulatorFor,
  TOKEN_PATH,
  until,
  useToken,
} from './requester.ts'

const simulator = await simulatorFor(t)
const { origins } = simulator
const app = simulator.addClientCredentialsApp()
const mint = () => mintBySecret(app)

t.beforeEach(() => {
  simulator.clearFaults()
  simulator.endSessions()
  simulator.clear()
})

/** Answers that take the place of the true one, and what is to be seen of each. */
const REPLACED: readonly {
  readonly rule: FaultRule
  readonly status: number
  readonly body: RegExp
}[] = [
  { rule: { kind: 'html' }, status: 503, body: /^<!DOCTYPE html>/ },
  { rule: { kind: 'html', status: 500 }, status: 500, body: /^<!DOCTYPE html>/ },
  { rule: { kind: 'empty' }, status: 200, body: /^$/ },
  { rule: { kind: 'empty', status: 502 }, status: 502, body: /^$/ },
  { rule: { kind: 'invalid_json' }, status: 200, body: /^\{"access_token":"00D$/ },
  { rule: { kind: 'redirect', location: 'https://new.example' }, status: 302, body: /^$/ },
  { rule: { kind: 'too_many_requests' }, status: 429, body: /^$/ },
  { rule: { kind: 'refusal', refusal: 'retry_your_request' }, status: 400, body: /unknown_error/ },
  {
    rule: { kind: 'answer', answer: { status: 418, body: 'short and stout' } },
    status: 418,
    body: /^short and stout$/,
  },
]

for (const { rule, status, body } of REPLACED) {
  t.test(`answers ${JSON.stringify(rule)} once, and opens no session`, async (t) => {
    const fault = simulator.addFault(rule)
    const answer = await mint()
    t.equal(answer.status, status)
    t.match(answer.text, body)
    t.equal(fault.hits(), 1)
    t.same(simulator.sessions(), [])
    t.match(simulator.tokenRequests()[0]?.outcome, { handled: false, status, faults: [rule.kind] })
    t.equal((await mint()).status, 200)
  })

  t.test(`answers ${JSON.stringify(rule)} after the commit, with the session open`, async (t) => {
    simulator.addFault({ ...rule, afterCommit: true })
    t.equal((await mint()).status, status)
    t.equal(simulator.sessions().length, 1)
    t.match(simulator.tokenRequests()[0]?.outcome, { handled: true, status: 200 })
  })
}

t.test('sends headers with a redirect and with 429', async (t) => {
  simulator.addFault({ kind: 'redirect', location: 'https://new.example' })
  t.equal((await mint()).headers.get('location'), 'https://new.example')
  simulator.addFault({ kind: 'too_many_requests', retryAfter: '30' })
  t.equal((await mint()).headers.get('retry-after'), '30')
})

t.test('resets a connection before the commit, or after', async (t) => {
  simulator.addFault({ kind: 'reset' })
  await t.rejects(mint(), { cause: { code: 'ECONNRESET' } })
  t.same(simulator.sessions(), [])
  simulator.addFault({ kind: 'reset', afterCommit: true })
  await t.rejects(mint(), { cause: { code: 'ECONNRESET' } })
  const [session] = simulator.sessions()
  t.ok(session)
  t.equal(accessToken(await mint()), session?.token)
})

t.test('cuts an answer short', async (t) => {
  simulator.addFault({ kind: 'truncated' })
  await t.rejects(mint())
  t.equal(simulator.sessions().length, 1)
})

t.test('answers in more than 64 KiB, still true', async (t) => {
  simulator.addFault({ kind: 'oversize' })
  const { text, members } = await mint()
  t.ok(text.length > 65_536)
  t.equal(members.token_type, 'Bearer')
})

t.test('floods, plain and compressed, as long as the other side reads', async (t) => {
  for (const gzip of [false, true]) {
    simulator.addFault({ kind: 'flood', bytes: 1_000_000, gzip })
    const { text, headers } = await mint()
    t.ok(text.length >= 1_000_000)
    t.equal(headers.get('content-encoding'), gzip ? 'gzip' : null)

    simulator.addFault({ kind: 'flood', gzip })
    const giveUp = new AbortController()
    const answer = await fetch(`${origins.myDomain}${TOKEN_PATH}`, { signal: giveUp.signal })
    await answer.body?.getReader().read()
    giveUp.abort()
  }
})

t.test('drips until the other side gives up', async (t) => {
  simulator.addFault({ kind: 'drip', intervalMs: 1 })
  const giveUp = new AbortController()
  const answer = await fetch(`${origins.myDomain}${TOKEN_PATH}`, { signal: giveUp.signal })
  const reader = answer.body?.getReader()
  for (let read = 0; read < 3; read += 1) {
    t.equal((await reader?.read())?.done, false)
  }
  giveUp.abort()
})

t.test('changes members of a true answer', async (t) => {
  simulator.addFault({ kind: 'members', set: { expires_in: -1 }, remove: ['token_type'] })
  const { members } = await mint()
  t.equal(members.expires_in, -1)
  t.notOk('token_type' in members)
  t.ok(members.access_token)
  simulator.addFault({ kind: 'foreign_instance_url' })
  t.match((await mint()).members.instance_url, /evil\.example$/)
})

t.test('holds requests until released, before the commit or after', async (t) => {
  for (const afterCommit of [false, true]) {
    simulator.endSessions()
    const held = simulator.addFault({ kind: 'hold', times: 2, afterCommit })
    const answers = Promise.all([mint(), mint()])
    await until(() => held.holding() === 2)
    t.equal(simulator.sessions().length, afterCommit ? 1 : 0)
    held.remove()
    for (const { status } of await answers) t.equal(status, 200)
  }
})

t.test('delays an answer, and may spoil it as well', async (t) => {
  simulator.addFault({ kind: 'delay', ms: 60 })
  simulator.addFault({ kind: 'html' })
  const before = performance.now()
  t.equal((await mint()).status, 503)
  t.ok(performance.now() - before >= 55)
  t.same(simulator.tokenRequests()[0]?.outcome?.faults, ['delay', 'html'])
})

t.test('befalls so many requests as were ordered, or all until removed', async (t) => {
  simulator.addFault({ kind: 'html', times: 2 })
  t.same([(await mint()).status, (await mint()).status, (await mint()).status], [503, 503, 200])
  const lasting = simulator.addFault({ kind: 'html', times: null })
  for (let request = 0; request < 4; request += 1) t.equal((await mint()).status, 503)
  t.equal(lasting.hits(), 4)
  lasting.remove()
  t.equal((await mint()).status, 200)
})

t.test('befalls the endpoint and the app that were named', async (t) => {
  const token = accessToken(await mint())
  simulator.addFault({ kind: 'html', endpoint: 'introspect' })
  simulator.addFault({ kind: 'html', endpoint: 'revoke' })
  simulator.addFault({ kind: 'html', endpoint: 'rest' })
  t.equal((await mint()).status, 200)
  t.equal((await introspect(app, token)).status, 503)
  t.equal((await revoke(origins.login, token)).status, 503)
  t.equal(await useToken(origins.myDomain, token), 503)
  t.equal(await useToken(origins.myDomain, token), 200)

  const other = simulator.addClientCredentialsApp()
  simulator.addFault({ kind: 'html', clientId: other.clientId })
  t.equal((await mint()).status, 200)
  t.equal((await mintBySecret(other)).status, 503)

  simulator.addFault({ kind: 'html', endpoint: 'any' })
  t.equal((await get(origins.login, '/.well-known/openid-configuration')).status, 503)
})

t.test('takes several faults in the order in which they were ordered', async (t) => {
  simulator.addFault({ kind: 'html' })
  simulator.refuseNext('retry_your_request')
  t.equal((await mint()).status, 503)
  t.match((await mint()).members, { error: 'unknown_error' })
  t.equal((await mint()).status, 200)
})

t.test('stops while it holds a request', async (t) => {
  const stopping = await simulatorFor(t)
  const held = stopping.addFault({ kind: 'hold' })
  const request = post(stopping.origins.login, TOKEN_PATH, {}).catch((error: unknown) => error)
  await until(() => held.holding() === 1)
  await stopping.stop()
  await request
  await t.rejects(get(stopping.origins.login, '/services/data/'))
})
