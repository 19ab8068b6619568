import t, { type Test } from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { createMetadataApi } from '../../../src/grants/org-api/metadata-api.ts'
import { createHostRules } from '../../../src/http/outbound/login-host.ts'
import { createOutbound } from '../../../src/http/outbound/outbound.ts'
import { type Answer, json, listen } from '../../http/listener.ts'

const TOKEN = '00Dxx0000001gPL!AR8AQ.a_token_of_a_deployer'
const ARCHIVE = Buffer.from([0x50, 0x4b, 0, 13, 10, 0xff, 0xfe, 45, 45])
const ID = '0Afxx0000001abcAAA'

async function setUp(t: Test, answer: Answer) {
  const server = await listen(t, answer)
  const hosts = createHostRules([server.origin])
  const outbound = createOutbound({ hosts, deadlineMs: 5_000 })
  t.teardown(() => outbound.close())
  const api = createMetadataApi({ outbound, hosts, now: () => 0 })
  const { signal } = new AbortController()
  const caller = { instanceUrl: server.origin, accessToken: new Secret(TOKEN), signal }
  return { server, api, caller }
}

const deployResult = (members: object) => json({ id: ID, deployResult: members })

t.test('an archive is sent in two parts, as it is', async (t) => {
  let parts: FormData | undefined
  const { caller, server } = await setUp(t, json({ id: ID }, 201))
  const outbound = createOutbound({ hosts: createHostRules([server.origin]) })
  t.teardown(() => outbound.close())
  const tapped = createMetadataApi({
    hosts: createHostRules([server.origin]),
    now: () => 0,
    outbound: {
      async send(request) {
        const response = new Response(new Uint8Array(request.body as Uint8Array), {
          headers: { 'content-type': request.headers?.['content-type'] ?? '' },
        })
        parts = await response.formData()
        return outbound.send(request)
      },
    },
  })
  t.same(await tapped.deploy(caller, ARCHIVE), { ok: true, value: ID })
  t.match(JSON.parse(String(parts?.get('json'))), {
    deployOptions: { checkOnly: false, rollbackOnError: true, singlePackage: true },
  })
  const file = parts?.get('file') as File
  t.same(Buffer.from(await file.arrayBuffer()), ARCHIVE)
  const [request] = server.requests
  t.match(request, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` } })
  t.match(request?.url, /^\/services\/data\/v\d\d\.0\/metadata\/deployRequest$/)
})

t.test('its state is read, with what was wrong', async (t) => {
  const failure = { problem: 'In field: x', problemType: 'Error' }
  for (const [result, expected] of [
    [
      { done: false, status: 'Pending' },
      { isDone: false, isSuccess: false, problem: '' },
    ],
    [
      { done: true, status: 'Succeeded', success: true },
      { isDone: true, isSuccess: true },
    ],
    [
      { done: true, status: 'Failed', success: false, details: { componentFailures: [failure] } },
      { isDone: true, isSuccess: false, status: 'Failed', problem: 'In field: x' },
    ],
    [
      { done: true, status: 'Failed', details: { componentFailures: failure }, errorMessage: 'E' },
      { isSuccess: false, problem: 'E: In field: x' },
    ],
    [{ done: true, status: 'SucceededPartial', success: false }, { isSuccess: false }],
  ] as const) {
    const { api, caller, server } = await setUp(t, deployResult(result))
    const status = await api.status(caller, ID)
    t.match(status, { ok: true, value: expected })
    t.match(server.requests, [
      {
        method: 'GET',
        url: `/services/data/v67.0/metadata/deployRequest/${ID}?includeDetails=true`,
      },
    ])
  }
})

t.test('a token that is not taken is told from a request that is not', async (t) => {
  const error = (errorCode: string, message: string) => [{ errorCode, message }]
  const dead = await setUp(t, json(error('INVALID_SESSION_ID', 'Session expired'), 401))
  t.same(await dead.api.deploy(dead.caller, ARCHIVE), {
    ok: false,
    refused: 'token',
    status: 401,
    reason: 'INVALID_SESSION_ID: Session expired',
  })
  const barred = await setUp(t, json(error('INSUFFICIENT_ACCESS', 'no'), 403))
  t.match(await barred.api.status(barred.caller, ID), { ok: false, refused: 'request' })
})

t.test('what Salesforce says is cut, cleaned, and holds no token', async (t) => {
  const message = `${TOKEN}\u0000\u202e and 00D000000000001!AQ.other ${'x'.repeat(10_000)}`
  const { api, caller } = await setUp(t, json([{ errorCode: 'E', message }], 400))
  const answer = await api.deploy(caller, ARCHIVE)
  const text = JSON.stringify(answer)
  t.ok(text.length < 500)
  t.notMatch(text, 'a_token_of_a_deployer')
  t.notMatch(text, 'AQ.other')
  t.notMatch(text, /\\u0000|\u202e/)
})

t.test('anything else is no answer', async (t) => {
  const html: Answer = (response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end('<html>')
  }
  for (const [what, answer, code] of [
    ['a maintenance page', html, 'salesforce_unavailable'],
    ['a server error', json({}, 503), 'salesforce_unavailable'],
    ['too many requests', json({}, 429), 'salesforce_unavailable'],
    ['no id', json({}, 201), 'token_response_invalid'],
    ['an id of something else', json({ id: '../x' }, 201), 'token_response_invalid'],
    ['an error of no kind', json({ no: 1 }, 400), 'token_response_invalid'],
    ['null', json(null), 'token_response_invalid'],
    [
      'a redirect',
      ((response) => {
        response.writeHead(302, { location: 'https://elsewhere.example/' })
        response.end()
      }) as Answer,
      'token_response_invalid',
    ],
  ] as const) {
    const { api, caller } = await setUp(t, answer)
    await t.rejects(api.deploy(caller, ARCHIVE), { code }, what)
  }
  const { api, caller } = await setUp(t, json({ deployResult: { status: 1 } }))
  await t.rejects(api.status(caller, ID), { code: 'token_response_invalid' })
})

t.test('a token is sent to a host of Salesforce alone', async (t) => {
  const { api, caller, server } = await setUp(t, json({ id: ID }, 201))
  const elsewhere = { ...caller, instanceUrl: 'https://evil.example' }
  await t.rejects(api.deploy(elsewhere, ARCHIVE), { code: 'token_response_invalid' })
  t.equal(server.requests.length, 0)
})

t.test('an upload is never sent twice by itself, and a question may be', async (t) => {
  const sent: (boolean | undefined)[] = []
  const api = createMetadataApi({
    hosts: createHostRules(['http://127.0.0.1:1']),
    now: () => 0,
    outbound: {
      async send({ repeatable }) {
        sent.push(repeatable)
        return { ok: false, reason: 'timeout' }
      },
    },
  })
  const { signal } = new AbortController()
  const caller = { instanceUrl: 'http://127.0.0.1:1', accessToken: new Secret(TOKEN), signal }
  await t.rejects(api.deploy(caller, ARCHIVE), { code: 'salesforce_timeout' })
  await t.rejects(api.status(caller, ID), { code: 'salesforce_timeout' })
  t.same(sent, [false, true])
})
