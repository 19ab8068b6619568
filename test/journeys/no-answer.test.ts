/** What is no answer of a token endpoint is a problem, and the next request serves. */
import t from 'tap'
import type { Fault } from '../../simulator/faults.ts'
import type { ProblemCode } from '../../src/errors/problems.ts'
import {
  assertNoBug,
  assertProblem,
  assertServes,
  clientCredentials,
  jwtBearer,
  MINUTE_MS,
  register,
  WAYS,
  world,
} from './salesforce-world.ts'

type FaultCase = readonly [what: string, fault: Fault, code: ProblemCode, detail?: string]

/** What becomes of an answer that is none. Every kind of fault of the simulator is here. */
const FAULTS: Readonly<
  Record<Exclude<Fault['kind'], 'refusal' | 'delay' | 'hold' | 'drip'>, readonly FaultCase[]>
> = {
  html: [
    ['a maintenance page', { kind: 'html' }, 'salesforce_unavailable'],
    ['a page with status 200', { kind: 'html', status: 200 }, 'salesforce_unavailable'],
    ['a page with status 404', { kind: 'html', status: 404 }, 'salesforce_unavailable'],
  ],
  empty: [
    ['nothing', { kind: 'empty' }, 'token_response_invalid'],
    ['nothing, with status 500', { kind: 'empty', status: 500 }, 'salesforce_unavailable'],
    ['nothing, with status 401', { kind: 'empty', status: 401 }, 'token_response_invalid'],
  ],
  rest_refusal: [
    [
      'an error of the REST API',
      { kind: 'rest_refusal', refusal: 'api_disabled' },
      'token_response_invalid',
    ],
    [
      'a server that is too busy',
      { kind: 'rest_refusal', refusal: 'server_unavailable' },
      'salesforce_unavailable',
    ],
  ],
  invalid_json: [['half of an object', { kind: 'invalid_json' }, 'token_response_invalid']],
  redirect: [
    [
      'a redirect',
      { kind: 'redirect', location: 'https://example.com/' },
      'token_response_invalid',
    ],
    [
      'a redirect to itself',
      { kind: 'redirect', location: '/', status: 307 },
      'token_response_invalid',
    ],
  ],
  too_many_requests: [
    ['429', { kind: 'too_many_requests' }, 'salesforce_unavailable'],
    [
      '429 for an hour',
      { kind: 'too_many_requests', retryAfter: '3600' },
      'salesforce_unavailable',
    ],
    [
      '429 for ever',
      { kind: 'too_many_requests', retryAfter: '9'.repeat(30) },
      'salesforce_unavailable',
    ],
  ],
  reset: [['a connection that is reset', { kind: 'reset' }, 'salesforce_unavailable']],
  truncated: [['half of an answer', { kind: 'truncated' }, 'salesforce_unavailable']],
  oversize: [['128 KiB', { kind: 'oversize' }, 'token_response_invalid']],
  flood: [
    ['300 MB', { kind: 'flood' }, 'token_response_invalid'],
    ['300 MB, packed', { kind: 'flood', gzip: true }, 'token_response_invalid'],
  ],
  members: [
    ['no access_token', { kind: 'members', remove: ['access_token'] }, 'token_response_invalid'],
    ['no instance_url', { kind: 'members', remove: ['instance_url'] }, 'token_response_invalid'],
    [
      'a token that is a number',
      { kind: 'members', set: { access_token: 7 } },
      'token_response_invalid',
    ],
    ['an empty token', { kind: 'members', set: { access_token: '' } }, 'token_response_invalid'],
    [
      'a token that would be two headers',
      { kind: 'members', set: { access_token: '00D!a\r\nX-Evil: 1' } },
      'token_response_invalid',
    ],
    [
      'an instance_url that is none',
      { kind: 'members', set: { instance_url: 'x' } },
      'token_response_invalid',
    ],
    [
      'another token type',
      { kind: 'members', set: { token_type: 'mac' } },
      'token_response_invalid',
    ],
  ],
  foreign_instance_url: [
    ["somebody else's instance", { kind: 'foreign_instance_url' }, 'token_response_invalid'],
    [
      'an instance that looks like one',
      { kind: 'foreign_instance_url', instanceUrl: 'https://acme.my.salesforce.com.evil.example' },
      'token_response_invalid',
    ],
    [
      'an instance without TLS',
      { kind: 'foreign_instance_url', instanceUrl: 'http://acme.my.salesforce.com' },
      'token_response_invalid',
    ],
  ],
  answer: [
    [
      'a status without a body',
      { kind: 'answer', answer: { status: 418 } },
      'token_response_invalid',
    ],
    ['an array', { kind: 'answer', answer: { status: 200, body: '[]' } }, 'token_response_invalid'],
    ['null', { kind: 'answer', answer: { status: 200, body: 'null' } }, 'token_response_invalid'],
    [
      '__proto__',
      { kind: 'answer', answer: { status: 200, body: '{"__proto__":{"access_token":"a"}}' } },
      'token_response_invalid',
    ],
    [
      'an error that is an object',
      { kind: 'answer', answer: { status: 400, body: '{"error":{"a":1}}' } },
      'token_response_invalid',
    ],
    [
      'a server error in JSON',
      { kind: 'answer', answer: { status: 502, body: '{"error":"x"}' } },
      'salesforce_unavailable',
    ],
  ],
}

for (const [grant, way] of Object.entries(WAYS)) {
  t.test(`${grant}: what is no answer is a problem, and the next one serves`, async (t) => {
    const here = await world(t)
    const { simulator, broker, pass } = here
    for (const [what, fault, code] of Object.values(FAULTS).flat()) {
      for (const afterCommit of [false, true]) {
        await t.test(`${what}${afterCommit ? ', after the fact' : ''}`, async (t) => {
          const { name, app } = await register(here, way)
          const scope = { times: null, clientId: app.clientId, afterCommit }
          const ordered = simulator.addFault({ ...fault, ...scope })
          const answer = await broker.call('GET', `/tokens/${name}`)
          assertProblem(t, answer)
          t.equal(answer.body.code, code, JSON.stringify(answer.body))
          t.ok(ordered.hits() > 0)
          ordered.remove()
          // As long as a Retry-After is believed.
          pass(60 * MINUTE_MS)
          await assertServes(t, here, name)
        })
      }
    }
    assertNoBug(t, broker)
  })
}

t.test('a redirect from a My Domain to its new name is told as that', async (t) => {
  const here = await world(t)
  const { name } = await register(here, jwtBearer)
  const location = 'https://acme-new.my.salesforce.com/services/oauth2/token'
  here.simulator.addFault({ kind: 'redirect', location })
  const { body } = await here.broker.call('GET', `/tokens/${name}`)
  t.match(body, { code: 'token_response_invalid', detail: 'acme-new.my.salesforce.com' })
})

t.test('an answer that does not come in time is a time-out, and the next one serves', async (t) => {
  const slow: readonly Fault[] = [{ kind: 'delay', ms: 30_000 }, { kind: 'hold' }, { kind: 'drip' }]
  await Promise.all(
    slow.map(async (fault) => {
      const here = await world(t)
      const { name } = await register(here, clientCredentials)
      const ordered = here.simulator.addFault({ ...fault, times: null })
      const answer = await here.broker.call('GET', `/tokens/${name}`)
      assertProblem(t, answer)
      t.match(answer, { status: 504, body: { code: 'salesforce_timeout' } }, fault.kind)
      ordered.remove()
      await assertServes(t, here, name)
      assertNoBug(t, here.broker)
    }),
  )
})
