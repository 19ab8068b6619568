/** What the sub-request of a gateway gets, byte for byte: gateways have limits that clients have not. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { openRaw, type RawAnswer } from '../support/raw-http.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, { loginHosts: [myDomain] })
const { call } = broker
const port = Number(new URL(broker.url).port)
const integrate = async (name: string, jwtAccessTokens = false) => {
  const { clientId, clientSecret } = simulator.addClientCredentialsApp({ name, jwtAccessTokens })
  const body = {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: clientId },
    credential: { client_secret: clientSecret },
  }
  await call('PUT', `/integrations/${name}`, { body })
  return clientId
}
const keyFor = async (name: string, permissions: readonly string[]): Promise<string> =>
  (await call('POST', '/api-keys', { body: { name, permissions, integrations: ['*'] } })).body.key
await integrate('billing')
await integrate('signed', true)
const key = await keyFor('gateway', ['tokens:read'])

/** As bytes, and everything that came back. Fields may stand twice. */
async function ask(
  name: string,
  fields: readonly string[] = [],
  { method = 'GET', credential = key } = {},
): Promise<{ readonly text: string; readonly answer: RawAnswer }> {
  const connection = openRaw(port)
  const lines = [`authorization: Bearer ${credential}`, 'host: valetkey', 'connection: close']
  const head = [`${method} /gateway/${name} HTTP/1.1`, ...lines, ...fields].join('\r\n')
  connection.write(`${head}\r\n\r\n`)
  const text = await connection.closed()
  const parsed = openParsed(text)
  return { text, answer: parsed }
}

function openParsed(text: string): RawAnswer {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [line = '', ...rest] = head.split('\r\n')
  const headers = rest.map((field) => {
    const colon = field.indexOf(':')
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const
  })
  const header = (name: string) => headers.find(([known]) => known === name)?.[1]
  return { status: Number(line.split(' ')[1]), reason: '', headers, body, header }
}

/** What nginx has for the head of the answer to a sub-request unless it is told otherwise. */
const PAGE = 4_096
/** A member of the answer may grow, the token not: what is beside it leaves room for one of 3 KB. */
const BESIDE_THE_TOKEN = 1_024

t.test('the head fits into 4 KiB where the token does', async (t) => {
  for (const name of ['billing', 'signed']) {
    for (const state of ['cold', 'hit']) {
      const { text, answer } = await ask(name)
      const token = answer.header('authorization') ?? ''
      t.match(answer, { status: 200, body: '' }, `${name}, ${state}`)
      t.match(token, /^Bearer \S{50,}$/)
      t.ok(text.endsWith('\r\n\r\n'), 'there is no body')
      t.equal(answer.header('content-length'), '0', 'so that nginx keeps the connection')
      t.ok(text.length - token.length < BESIDE_THE_TOKEN, `${text.length - token.length}`)
      t.ok(text.length < PAGE)
    }
  }
})

t.test('the head of a refusal fits, too', async (t) => {
  const longest = 'x'.repeat(64)
  for (const fields of [[], ['x-valetkey-refuse: 403']]) {
    const { text, answer } = await ask(longest, fields)
    t.not(answer.status, 200)
    t.ok(text.indexOf('\r\n\r\n') < PAGE)
    t.ok(answer.header('x-valetkey-code'))
  }
})

t.test('no answer but 200 has a token, and no 200 has none', async (t) => {
  const clientId = await integrate('changing')
  const seen: number[] = []
  const look = async (fields: readonly string[] = []) => {
    for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS', 'DELETE']) {
      const { answer } = await ask('changing', fields, { method })
      seen.push(answer.status)
      t.equal(answer.status === 200, answer.header('authorization') !== undefined)
      t.equal(answer.status === 200, answer.header('x-salesforce-instance-host') !== undefined)
      t.ok(answer.status === 200 || answer.status >= 400, `${answer.status}`)
    }
  }
  await look()
  await lifeKnown(call, 'changing')
  simulator.endSessions({ clientId })
  await look(['x-valetkey-rejected: '])
  await call('DELETE', '/tokens/changing')
  await look()
  simulator.addFault({ kind: 'html', clientId, times: null })
  await call('DELETE', '/tokens/changing')
  await look()
  simulator.clearFaults()
  t.same([...new Set(seen)].sort(), [200, 503])
})

t.test('a refusal for a time says when to ask again, whatever its status', async (t) => {
  const clientId = await integrate('busy')
  simulator.addFault({ kind: 'too_many_requests', retryAfter: '3600', clientId, times: null })
  t.teardown(() => simulator.clearFaults())
  for (const [fields, status] of [
    [[], 503],
    [['x-valetkey-refuse: 403'], 403],
  ] as const) {
    const { answer } = await ask('busy', fields)
    t.equal(answer.status, status)
    t.equal(answer.header('x-valetkey-code'), 'salesforce_unavailable')
    t.equal(answer.header('x-valetkey-status'), '503')
    t.ok(Number(answer.header('retry-after')) > 60)
    t.match(JSON.parse(answer.body), { code: 'salesforce_unavailable', status: 503 })
  }
})

t.test('tokens:read is needed', async (t) => {
  const others = await keyFor('others', ['integrations:read', 'tokens:revoke'])
  const { answer } = await ask('billing', [], { credential: others })
  t.equal(answer.status, 403)
  t.equal(answer.header('x-valetkey-code'), 'caller_forbidden')
})

t.test('a token that Salesforce takes cannot be rejected for ever', async (t) => {
  const { answer: first } = await ask('billing')
  const rejecting = () =>
    ask('billing', [`x-valetkey-rejected: ${first.header('x-valetkey-token-id')}`])
  const direct = await call(
    'GET',
    `/tokens/billing?rejected=${first.header('x-valetkey-token-id')}`,
  )
  const { answer } = await rejecting()
  t.equal(answer.status, direct.status)
  t.equal(answer.header('x-valetkey-code'), direct.body.code)
  t.equal(direct.body.code, 'token_still_live')
})

t.test('a header that stands twice says nothing', async (t) => {
  const { answer: first } = await ask('billing')
  const id = `x-valetkey-rejected: ${first.header('x-valetkey-token-id')}`
  const { answer: twice } = await ask('billing', [id, id])
  t.equal(twice.status, 400)
  t.equal(twice.header('x-valetkey-code'), 'request_invalid')
  const { answer: refused } = await ask('none', [
    'x-valetkey-refuse: 403',
    'x-valetkey-refuse: 200',
  ])
  t.equal(refused.status, Number(refused.header('x-valetkey-status')))
})

t.test(
  'a sub-request may have 16 KiB, wherever the gateway puts the query of its client',
  async (t) => {
    const query = `?q=${'SELECT+'.repeat(2_200)}`
    t.ok(query.length > 15_000)
    t.match((await ask(`billing/services/data/v66.0/query${query}`)).answer, { status: 200 })
    const named = ['x-original-method: GET', `x-original-uri: /services/data/v66.0/query${query}`]
    t.match((await ask('billing', named)).answer, { status: 200 })
    t.match((await ask(`billing${query}${query}`)).answer, { status: 431 })
  },
)
