import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createPublishedAnswers, type Exchange, type OpenapiDocument } from './published-answers.ts'

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }
const string = { type: 'string' }
const problem = (code: string) => ({
  allOf: [
    { $ref: '#/components/schemas/Problem' },
    { type: 'object', properties: { code: { enum: [code] } } },
  ],
})
const gone = { content: { 'application/problem+json': { schema: problem('gone') } } }
const document: OpenapiDocument = {
  components: {
    schemas: {
      Problem: { type: 'object', required: ['code'], properties: { code: string } },
      Cat: { type: 'object', required: ['name'], properties: { name: string } },
    },
    responses: { Gone: gone },
  },
  paths: {
    '/cats/{name}': {
      get: {
        responses: {
          200: {
            headers: {
              ETag: { required: true, schema: { type: 'string', pattern: '^"' } },
              'Retry-After': { schema: { type: 'integer' } },
            },
            content: {
              'application/json': { schema: { $ref: '#/components/schemas/Cat' } },
              'text/plain': { schema: string },
            },
          },
          204: {},
          404: { $ref: '#/components/responses/Gone' },
          410: gone,
        },
      },
    },
  },
}
/** Where the code of validators is kept, which requires modules. */
const KEPT = join(import.meta.dirname, '../../node_modules/.cache', `valetkey-test-${randomUUID()}`)
t.teardown(() => rm(KEPT, { recursive: true, force: true }))
const READERS = {
  compiled: createPublishedAnswers(document),
  'compiled, and kept': createPublishedAnswers(document, KEPT),
  // It finds what the one before it has kept.
  kept: createPublishedAnswers(document, KEPT),
} as const
const { faultsOf } = READERS.compiled
const cat = (change: Partial<Exchange> = {}): Exchange => ({
  ...{ method: 'GET', url: '/cats/tom?x=1', status: 200, body: '{"name":"Tom"}' },
  headers: { ...JSON_TYPE, etag: '"1"' },
  ...change,
})
const gives = (code: string, status = 404): Exchange => ({
  ...cat({ status, body: JSON.stringify({ code }) }),
  headers: { 'content-type': 'application/problem+json' },
})

t.test('an answer as it is published has no faults', async (t) => {
  t.same(faultsOf(cat()), [])
  t.same(faultsOf(cat({ headers: { 'content-type': 'text/plain', etag: '"1"' }, body: 'x' })), [])
  t.same(faultsOf(cat({ status: 204, headers: {}, body: '' })), [])
  t.same(faultsOf(cat({ method: 'HEAD', body: '' })), [])
  for (const status of [404, 410]) t.same(faultsOf(gives('gone', status)), [])
})

t.test('whatever differs from what is published is a fault', async (t) => {
  const wrong: readonly Exchange[] = [
    cat({ status: 418 }),
    cat({ headers: { 'content-type': 'text/html', etag: '"1"' } }),
    cat({ headers: JSON_TYPE }),
    cat({ headers: { ...JSON_TYPE, etag: '1' } }),
    cat({ headers: { ...JSON_TYPE, etag: '"1"', 'retry-after': 'soon' } }),
    cat({ body: '{"name":7}' }),
    cat({ body: '{}' }),
    cat({ body: '{"name":"Tom","age":7}' }),
    cat({ body: 'Tom' }),
    cat({ status: 204, headers: {}, body: 'x' }),
    gives('lost'),
    gives('lost', 410),
    cat({ url: '/dogs' }),
    cat({ method: 'DELETE' }),
  ]
  for (const [how, reader] of Object.entries(READERS)) {
    for (const exchange of wrong) {
      const faults = reader.faultsOf(exchange)
      t.equal(faults.length, 1, `${how}: ${JSON.stringify(exchange)}`)
      t.same(faults, faultsOf(exchange))
      t.notMatch(faults.join(), 'Tom')
    }
    t.same(reader.faultsOf(cat()), [], how)
  }
  t.ok(readdirSync(KEPT).length > 1)
})

t.test('a path that is not published may be refused, by a problem', async (t) => {
  t.same(faultsOf({ ...gives('gone'), url: '/dogs' }), [])
  t.same(faultsOf({ ...gives('gone', 405), method: 'DELETE' }), [])
  t.equal(faultsOf({ ...gives('gone', 409), url: '/dogs' }).length, 1)
  t.equal(faultsOf({ ...gives('gone'), url: '/dogs', headers: JSON_TYPE }).length, 1)
  t.same(faultsOf(cat({ url: '/openapi.json' })), [])
})

/** A server of which one route answers what is not published. */
const LIAR = `
  import Fastify from 'fastify'
  const server = Fastify()
  server.get('/livez', () => ({ live: 'perhaps' }))
  if (process.argv.includes('inject')) await server.inject('/livez')
  else {
    const url = await server.listen({ host: '127.0.0.1', port: 0 })
    await (await fetch(url + '/livez')).text()
    await server.close()
  }
`
const PRELOAD = new URL('./watch-answers.ts', import.meta.url).href

function lie(how: string, env: Readonly<Record<string, string>> = {}) {
  const args = [`--import=${PRELOAD}`, '--input-type=module', '--eval', LIAR, how]
  const { status, stderr } = spawnSync(process.execPath, args, {
    ...{ cwd: join(import.meta.dirname, '../..'), encoding: 'utf8' },
    env: { PATH: process.env.PATH, ...env },
  })
  return { status, stderr }
}

t.test('a process whose server answers otherwise fails, whoever asked', async (t) => {
  const file = join(t.testdir(), 'faults')
  for (const how of ['inject', 'listen']) {
    const { status, stderr } = lie(how)
    t.equal(status, 1, how)
    t.match(stderr, 'GET /livez answered 200: body/live must be boolean')
    t.equal(lie(how, { ANSWER_FAULTS: file }).status, 0, 'whoever started it is told')
    t.match(readFileSync(file, 'utf8'), /^GET \/livez answered 200: body\/live must be boolean/)
  }
})

t.test('every test file is watched', async (t) => {
  t.ok(process.execArgv.some((arg) => arg.endsWith('/watch-answers.ts')))
})
