import Fastify from 'fastify'
import t from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createLogger } from '../../src/logger/logger.ts'

/** As JavaScript may call it: pino's types know the placeholders. */
type Formatting = Record<'info' | 'error', (text: string, ...values: unknown[]) => void>

const CANARY = 'cAnArY7secret'

function capture(level = 'trace') {
  const lines: string[] = []
  const log = createLogger({ level, destination: { write: (line) => lines.push(line) } })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') }
}

/** The error that the function throws. */
function thrown(fn: () => unknown): Error {
  try {
    fn()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('Nothing was thrown')
}

t.test('writes one flat JSON line with an ISO time and a level by name', async (t) => {
  const { log, lines, last } = capture()
  log.warn({ integration: 'billing', tries: 3, ok: false, tokenId: 'q5Yx', at: null }, 'a message')
  t.equal(lines.length, 1)
  t.ok(lines[0]?.endsWith('}\n'))
  const { time, ...rest } = last()
  t.equal(new Date(time).toISOString(), time)
  t.strictSame(rest, {
    level: 'warn',
    integration: 'billing',
    tries: 3,
    ok: false,
    tokenId: 'q5Yx',
    at: null,
    msg: 'a message',
  })
})

t.test('keeps silent below its level', async (t) => {
  const { log, lines } = capture('warn')
  log.info('not this')
  log.child({ part: 'a' }).info('nor this')
  t.equal(lines.length, 0)
})

t.test(
  'what fails by a trouble that was told is said where it names what is at stake',
  async (t) => {
    const { log, lines, last } = capture('info')
    const err = new BrokerError('store_unavailable', 'Redis does not answer', {
      cause: Object.assign(new Error(CANARY), { code: 'ECONNREFUSED' }),
      isTold: true,
    })
    log.warn({ err }, 'a task cannot be done now')
    log.warn({ err, code: err.code }, 'a task cannot be done now')
    log.warn({ err, what: 'a task' }, 'not in step yet')
    log.error(err)
    t.equal(lines.length, 0)
    log.warn({ err, integration: 'billing' }, 'a rotated refresh token is not stored yet')
    const { time: _, ...line } = last()
    t.strictSame(line, {
      level: 'warn',
      err: {
        type: 'BrokerError',
        code: 'store_unavailable',
        message: 'Redis does not answer',
        cause: { type: 'Error', code: 'ECONNREFUSED' },
      },
      integration: 'billing',
      msg: 'a rotated refresh token is not stored yet',
    })
    const { log: chatty, lines: all } = capture('debug')
    chatty.warn({ err }, 'a task cannot be done now')
    t.match(JSON.parse(all[0] ?? ''), { level: 'debug', err: { code: 'store_unavailable' } })
  },
)

t.test('shows code, detail and cause of our own errors, and where they were made', async (t) => {
  const { log, last } = capture()
  const cause = new BrokerError('store_unavailable', 'Redis does not answer', {
    cause: Object.assign(new Error(CANARY), { code: 'ECONNREFUSED' }),
  })
  log.error({ err: new BrokerError('internal', 'A bug', { cause }) }, 'failed')
  const { err } = last()
  t.match(err, {
    type: 'BrokerError',
    code: 'internal',
    message: 'A bug',
    cause: {
      type: 'BrokerError',
      code: 'store_unavailable',
      message: 'Redis does not answer',
      cause: { type: 'Error', code: 'ECONNREFUSED' },
    },
  })
  t.match(err.stack[0], 'logger.test.ts')
  t.match(err.cause.cause.stack[0], 'logger.test.ts')
  log.error(new ConfigError(['VALETKEY_PORT: wrong']))
  t.match(last().err.message, 'VALETKEY_PORT: wrong')
})

t.test('follows causes and aggregates to a bounded depth, rings too', async (t) => {
  const { log, lines, last } = capture()
  const ring = new Error('a')
  ring.cause = ring
  log.error({ err: ring }, 'ring')
  log.error(
    { err: new AggregateError(Array.from({ length: 9 }, () => new TypeError('b'))) },
    'many',
  )
  t.equal(last().err.errors.length, 3)
  t.equal(last().err.errors[0].type, 'TypeError')
  t.equal(lines[0]?.split('"type"').length, 6)
})

t.test('never throws, whatever it is given', async (t) => {
  const { log, lines } = capture()
  const trap = () => {
    throw new Error(CANARY)
  }
  const hostile = Object.defineProperties(new Error(CANARY), {
    code: { get: trap },
    cause: { get: trap },
    stack: { get: trap },
    name: { get: trap },
  })
  for (const err of [
    hostile,
    null,
    undefined,
    CANARY,
    7,
    {
      get code() {
        return trap()
      },
    },
  ]) {
    log.error({ err, req: err, res: err }, 'hostile')
  }
  log.info({ fn: trap, symbol: Symbol('x'), big: 10n, nothing: undefined }, 'odd')
  t.equal(lines.length, 7)
  t.notMatch(lines.join(''), CANARY)
})

t.test('prints no secret that foreign errors carry', async (t) => {
  const { log, lines } = capture()
  const redisError = Object.assign(new Error(`ERR unknown command, with args: ${CANARY}`), {
    name: 'ReplyError',
    command: { name: 'set', args: ['vk:lease', CANARY] },
    previousErrors: [{ args: [CANARY] }],
  })
  const changed = new Error('before')
  changed.message = CANARY
  const errors = [
    redisError,
    changed,
    thrown(() => JSON.parse(`{"password": ${CANARY}}`)),
    thrown(() => new URL(`https//user:${CANARY}@host`)),
    thrown(() => new Headers({ authorization: `Bearer ${CANARY}\0` })),
    Object.assign(new Error('fetch failed'), { options: { headers: { authorization: CANARY } } }),
    new Error(CANARY, { cause: new TypeError(CANARY, { cause: CANARY }) }),
    new AggregateError([new Error(CANARY)], CANARY),
    new Error(`several\n    at ${CANARY} (file:///${CANARY}.ts:1:1)\nlines`),
    new BrokerError('internal', 'A bug', { cause: redisError }),
    Object.assign(new Error('x'), { code: CANARY, name: `${CANARY} ${CANARY}` }),
    new (class extends Error {
      secret = CANARY
      toJSON() {
        return { secret: CANARY }
      }
    })(CANARY),
  ]
  for (const error of errors) {
    log.error(error)
    log.error(error, error.message)
    log.error({ err: error })
    log.error({ err: error }, error.message)
    log.error({ err: error }, `failed: ${error.message}`)
    log.error({ error, reason: error }, 'under another name')
    log.error({ nested: { error } }, 'nested')
    const formatting: Formatting = log
    formatting.error('failed: %s %o', error, { error })
    formatting.error('failed', error)
    log.child({ err: error, error }).error('bound')
  }
  t.equal(lines.length, errors.length * 10)
  t.notMatch(lines.join(''), new RegExp(CANARY, 'i'))
})

t.test('prints no secret from the places where one is in passing', async (t) => {
  const { log, lines } = capture()
  const jwt = `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(CANARY).toString('base64url')}.${CANARY}`
  const places = {
    headers: { authorization: `Bearer ${CANARY}` },
    authorization: `Bearer ${CANARY}`,
    cookie: CANARY,
    password: CANARY,
    clientSecret: CANARY,
    client_secret: CANARY,
    access_token: CANARY,
    refreshToken: CANARY,
    privateKey: CANARY,
    apiKey: CANARY,
    assertion: CANARY,
    body: `grant_type=x&assertion=${CANARY}`,
    query: { rejected: CANARY },
    url: `/tokens/billing?rejected=${CANARY}`,
    login_url: `https://user:${CANARY}@acme.my.salesforce.com/path#${CANARY}`,
    config: { redis: { password: CANARY, url: `redis://:${CANARY}@host` } },
    args: ['SET', 'key', CANARY],
    list: [CANARY],
    secret: new Secret(CANARY),
    held: new Secret(CANARY),
    map: new Map([['a', CANARY]]),
    buffer: Buffer.from(CANARY),
    text: `Authorization: Bearer ${CANARY}`,
    target: `redis://:${CANARY}@host:6379`,
    form: `grant_type=x&client_assertion=${CANARY}&client_secret=${CANARY}`,
    token_in_text: `00D000000000001!${CANARY}`,
    jwt,
    key_in_text: `vk_abcdefgh_${CANARY}${CANARY}`,
    pem: `-----BEGIN PRIVATE KEY-----\n${CANARY}"\\\n-----END PRIVATE KEY-----`,
    long: `${'x'.repeat(1_000)}${CANARY}`,
  }
  log.info(places, 'all')
  for (const [name, value] of Object.entries(places)) {
    log.info({ [name]: value }, 'one')
    log.child({ [name]: value }).info('bound')
    log
      .child({})
      .child({ deep: { [name]: value } })
      .info('bound deeper')
    if (typeof value === 'object')
      (log as Formatting).info('formatted %o %j %s', value, value, value)
  }
  for (const name of [
    'text',
    'target',
    'form',
    'token_in_text',
    'jwt',
    'key_in_text',
    'pem',
  ] as const) {
    log.info(places[name])
    log.info('with %s', places[name])
  }
  for (const line of lines) t.doesNotThrow(() => JSON.parse(line), 'each stays one line of JSON')
  t.notMatch(lines.join(''), new RegExp(CANARY, 'i'))
  t.match(JSON.parse(lines[0] ?? '').url, '/tokens/billing')
  t.equal(JSON.parse(lines[0] ?? '').held, '[secret]')
})

t.test('logs a request of Fastify by its route, without URL, headers and body', async (t) => {
  const { log, lines } = capture()
  const server = Fastify({ loggerInstance: log })
  t.teardown(() => server.close())
  server.post('/things/:integration', async (request) => {
    request.log.info({ req: request }, 'seen')
    throw new Error(CANARY)
  })
  const url = `/things/${CANARY}?rejected=${CANARY}`
  const headers = { authorization: `Bearer ${CANARY}`, cookie: CANARY, 'x-canary': CANARY }
  await server.inject({ method: 'POST', url, headers, payload: { private_key: CANARY } })
  const seen = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'seen')
  t.strictSame(seen.req, { method: 'POST', route: '/things/:integration', request_id: 'req-1' })
  const failed = lines.map((line) => JSON.parse(line)).find(({ err }) => err !== undefined)
  t.equal(failed.err.type, 'Error')
  t.ok(lines.length >= 3, 'Fastify logged by itself, too')
  t.match(lines.map((line) => JSON.parse(line)).find(({ res }) => res !== undefined)?.res, {
    status: 500,
    duration_ms: Number,
  })
  t.notMatch(lines.join(''), new RegExp(CANARY, 'i'))
})

t.test('logs a request that no route takes without its URL', async (t) => {
  const { log, last } = capture()
  log.info({ req: { method: 'GET', url: `/${CANARY}`, id: 'a', headers: { a: CANARY } } }, 'x')
  t.strictSame(last().req, { method: 'GET', route: null, request_id: 'a' })
})
