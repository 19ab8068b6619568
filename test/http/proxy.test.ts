/** A proxy in each of its moods, and at which hop a call through it fails. */
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import type { Hop } from '../../src/http/outbound/hop.ts'
import { createOutbound, wasNeverSent } from '../../src/http/outbound/outbound.ts'
import { abandonedWork } from '../../src/runtime/timeout.ts'
import { createAuthority } from '../support/authority.ts'
import { eventually } from '../support/eventually.ts'
import { forwardProxy, type Mood } from '../support/forward-proxy.ts'
import { json, listen } from './listener.ts'

const HOST = 'acme.my.salesforce.com'
const URL_OF_HOST = `https://${HOST}/x`
const authority = createAuthority(t)
const tls = authority.issue({ san: `DNS:${HOST}`, purpose: 'serverAuth' })
const ofProxy = authority.issue({ san: 'IP:127.0.0.1', purpose: 'serverAuth' })
const server = await listen(t, json({ a: 1 }), tls)
const target = server.port

/** A port that nobody listens on. */
async function deadPort(): Promise<number> {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  await new Promise((resolve) => taken.close(resolve))
  return port
}

interface By {
  readonly tls?: { readonly ca: string }
  readonly deadlineMs?: number
  readonly stopping?: AbortSignal
}

function through(t: Test, httpsProxy: string, by: By = {}) {
  const outbound = createOutbound({
    hosts: { allowsPrivate: () => false },
    proxy: { httpsProxy },
    tls: { ca: authority.certificate },
    ...by,
  })
  t.teardown(() => outbound.close())
  return outbound
}

const sendThrough = (t: Test, httpsProxy: string, by: By = {}) =>
  through(t, httpsProxy, by).send({ url: URL_OF_HOST })

t.test('a proxy that is well leads to the host, plain or over TLS, and knows us', async (t) => {
  const user = { name: 'jo@acme', password: 'p:ä/ 1' }
  for (const options of [{}, { tls: ofProxy }, { user }, { tls: ofProxy, user }]) {
    const mood = 'user' in options ? 'denies_user' : 'well'
    const proxy = await forwardProxy(t, { mood, target, ...options })
    t.match(await sendThrough(t, proxy.url), { ok: true, status: 200 })
    t.same(await proxy.targets(), [`${HOST}:443`])
  }
})

t.test('what the proxy makes of CONNECT is told', async (t) => {
  const moods: readonly (readonly [Mood, Partial<Hop>])[] = [
    [407, { status: 407 }],
    [403, { status: 403 }],
    [502, { status: 502 }],
    [503, { status: 503 }],
    ['closes', { code: 'UND_ERR_SOCKET' }],
    ['resets', { code: 'ECONNRESET' }],
    ['garbage', { code: 'HPE_INVALID_CONSTANT' }],
  ]
  for (const [mood, more] of moods) {
    const proxy = await forwardProxy(t, { mood, target })
    const outcome = await sendThrough(t, proxy.url)
    t.match(outcome, { ok: false, reason: 'unreachable' }, `${mood}`)
    t.strictSame(!outcome.ok && outcome.hop, { at: 'proxy', step: 'tunnel', ...more }, `${mood}`)
    t.equal((await proxy.targets()).length, 1, 'it is asked once')
    t.ok(!outcome.ok && wasNeverSent(outcome.cause), 'a refresh token is as good as before')
  }
})

t.test('a proxy that cannot be reached is told as that', async (t) => {
  const refused = await sendThrough(t, `http://127.0.0.1:${await deadPort()}`)
  t.match(refused, { hop: { at: 'proxy', step: 'connect', code: 'ECONNREFUSED' } })
  const unknown = await sendThrough(t, 'http://proxy.invalid:3128')
  t.match(unknown, { hop: { at: 'proxy', step: 'resolve' } })
  t.match(!unknown.ok && unknown.hop?.code, /^(ENOTFOUND|EAI_AGAIN)$/)
})

t.test('TLS with the proxy is another matter than TLS with the host', async (t) => {
  const plain = await forwardProxy(t, { mood: 'well', target })
  const spoken = await sendThrough(t, plain.url.replace('http:', 'https:'))
  t.match(spoken, { hop: { at: 'proxy', step: 'tls' } })
  const secure = await forwardProxy(t, { mood: 'well', target, tls: ofProxy })
  const unspoken = await sendThrough(t, secure.url.replace('https:', 'http:'))
  t.match(unspoken, { hop: { at: 'proxy', step: 'tunnel' } })
  const ca = createAuthority(t, 'Another CA').certificate
  const untrusted = await sendThrough(t, secure.url, { tls: { ca } })
  t.match(untrusted, { hop: { at: 'proxy', step: 'tls', code: /^UNABLE_TO_/ } })
  const well = await forwardProxy(t, { mood: 'well', target })
  const untrustedHost = await sendThrough(t, well.url, { tls: { ca } })
  t.match(untrustedHost, { hop: { at: 'host', step: 'tls', code: /^UNABLE_TO_/ } })
})

t.test('a tunnel that leads nowhere fails at the host', async (t) => {
  const proxy = await forwardProxy(t, { mood: 'hollow', target })
  const outcome = await sendThrough(t, proxy.url, { deadlineMs: 300 })
  t.match(outcome, { reason: 'timeout', hop: { at: 'host', step: 'tls' } })
})

t.test('a proxy that never answers costs no more than the deadline', async (t) => {
  const proxy = await forwardProxy(t, { mood: 'silent', target })
  const outbound = through(t, proxy.url, { deadlineMs: 400 })
  const began = performance.now()
  const outcome = await outbound.send({ url: URL_OF_HOST, repeatable: true })
  t.match(outcome, { reason: 'timeout', hop: { at: 'proxy', step: 'tunnel', code: 'ETIMEDOUT' } })
  t.ok(performance.now() - began < 1_000)
  const signal = AbortSignal.timeout(100)
  t.match(await outbound.send({ url: URL_OF_HOST, signal }), { reason: 'timeout' })
  await proxy.become('well')
  t.match(await outbound.send({ url: URL_OF_HOST }), { ok: true }, 'who comes next asks anew')
})

t.test(
  'what was given up before it was sent is never sent, though the proxy recovers',
  async (t) => {
    const proxy = await forwardProxy(t, { mood: 'late', target })
    const outbound = through(t, proxy.url, { deadlineMs: 200 })
    const before = abandonedWork().running
    const url = `https://${HOST}/given-up`
    const outcome = await outbound.send({ url, method: 'POST', body: 'a', repeatable: true })
    t.ok(!outcome.ok && wasNeverSent(outcome.cause))
    t.ok(abandonedWork().running > before)
    await proxy.become('well')
    await eventually(() => abandonedWork().running === before)
    t.notOk(server.requests.some((request) => request.url === '/given-up'))
  },
)

t.test('what was sent and is not answered may have arrived', async (t) => {
  const slow = await listen(t, () => undefined, tls)
  const proxy = await forwardProxy(t, { mood: 'well', target: slow.port })
  const outcome = await sendThrough(t, proxy.url, { deadlineMs: 500 })
  t.match(outcome, { reason: 'timeout', hop: { at: 'host', step: 'http', code: 'ETIMEDOUT' } })
  t.notOk(!outcome.ok && wasNeverSent(outcome.cause))
})

t.test('nor does it keep the process, which closes what is open', async (t) => {
  const proxy = await forwardProxy(t, { mood: 'silent', target })
  const stopping = new AbortController()
  const outbound = through(t, proxy.url, { stopping: stopping.signal })
  const pending = outbound.send({ url: URL_OF_HOST })
  stopping.abort()
  const began = performance.now()
  t.match(await pending, {
    reason: 'timeout',
    hop: { at: 'proxy', step: 'tunnel', code: 'ETIMEDOUT' },
  })
  await outbound.close()
  t.ok(performance.now() - began < 3_000)
})

t.test('a password of the proxy is in nothing that is told', async (t) => {
  const user = { name: 'jo', password: 'a-canary-of-a-password' }
  const secure = { tls: ofProxy, user }
  for (const mood of [407, 'closes', 'garbage', 'silent'] as const) {
    const proxy = await forwardProxy(t, { mood, target, ...(mood === 407 ? secure : { user }) })
    const outcome = await sendThrough(t, proxy.url, { deadlineMs: 300 })
    t.equal(outcome.ok, false)
    const encoded = Buffer.from(`${user.name}:${user.password}`).toString('base64')
    const shown = inspect(outcome, { depth: 20, showHidden: true })
    for (const secret of [user.password, encoded]) t.notOk(shown.includes(secret), `${mood}`)
  }
})
