import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { registerCallbackRoute } from '../../src/connections/callback-route.ts'
import type { Callback, CallbackResult } from '../../src/connections/web-server-flow.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { createServer } from '../../src/http/server/server.ts'
import { createLogger } from '../../src/logger/logger.ts'

interface Options {
  readonly finish?: (callback: Callback) => Promise<CallbackResult>
  readonly isBlocked?: boolean
  readonly isOff?: boolean
}

async function route(t: Test, { finish, isBlocked = false, isOff = false }: Options = {}) {
  const seen: Callback[] = []
  let refused = 0
  const destination = new Writable({ write: (_chunk, _encoding, done) => done() })
  const logger = createLogger({ level: 'debug', destination })
  const server = createServer({ logger, trustProxy: [] })
  t.teardown(() => server.close())
  registerCallbackRoute(server, {
    flow: isOff
      ? undefined
      : {
          async finish(callback) {
            seen.push(callback)
            return finish ? finish(callback) : { type: 'invalid' }
          },
        },
    audit: {
      requireWritable() {
        if (isBlocked) throw new BrokerError('audit_unavailable', 'It is full')
      },
    },
    onRefused() {
      refused += 1
    },
  })
  await server.ready()
  const get = (query: string) => server.inject({ method: 'GET', url: `/oauth/callback${query}` })
  return { server, seen, get, refused: () => refused }
}

t.test('finishes nothing while the audit is blocked', async (t) => {
  const { get, seen } = await route(t, { isBlocked: true })
  const answer = await get('?state=s&code=c')
  t.equal(answer.statusCode, 503)
  t.match(answer.headers['content-type'], 'text/html')
  t.same(seen, [])
})

t.test('is a page, too, where the store is away', async (t) => {
  const { get, refused } = await route(t, {
    finish: async () => {
      throw new BrokerError('store_unavailable', 'It is down')
    },
  })
  const answer = await get('?state=s&code=c')
  t.equal(answer.statusCode, 503)
  t.match(answer.body, 'Reload this page')
  t.equal(refused(), 0, 'the link was not refused')
})

t.test('a bug is a problem that says nothing', async (t) => {
  const { get } = await route(t, {
    finish: async () => {
      throw new Error('secret words')
    },
  })
  const answer = await get('?state=s&code=c')
  t.equal(answer.statusCode, 500)
  t.notMatch(answer.body, 'secret words')
})

t.test('takes whatever a browser brings, and nothing where no browser can come', async (t) => {
  const { get, seen, server, refused } = await route(t)
  const queries = ['?state=1', '?state=a&state=b&code=c', '?__proto__=1&state=%00', '?error=x']
  for (const query of queries) t.equal((await get(query)).statusCode, 400, query)
  t.same(seen[1], { state: ['a', 'b'], code: 'c' })
  t.equal(refused(), queries.length)
  t.equal((await server.inject({ method: 'HEAD', url: '/oauth/callback' })).statusCode, 405)
  for (const query of ['', '?x=1', '?error_description=x']) {
    const bare = await get(query)
    t.equal(bare.statusCode, 200, query)
    t.match(bare.body, 'Nothing to finish here')
  }
  t.equal(refused(), queries.length, 'who brings nothing is refused nothing')
  const off = await route(t, { isOff: true })
  t.equal((await off.get('?state=s&code=c')).statusCode, 400)
})
