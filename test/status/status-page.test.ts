/** Sessions of the status page, and who sees what. `test/journeys/status-page.test.ts` has the browser. */
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker, type TestBroker } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis.ts'

const SIGN_IN = '<title>Sign in to Valetkey</title>'
const STATUS = '<title>Status</title>'
const EIGHT_HOURS_MS = 8 * 3_600_000

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const login_url = simulator.origins.myDomain
const app = simulator.addClientCredentialsApp()

const post = (url: string, key: string, headers: Record<string, string> = { origin: url }) =>
  fetch(`${url}/status/sign-in`, {
    ...{ method: 'POST', redirect: 'manual', headers, body: new URLSearchParams({ key }) },
  })

async function signIn(url: string, key: string): Promise<string> {
  const answer = await post(url, key)
  if (answer.status !== 303) throw new Error(`${answer.status}: ${await answer.text()}`)
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
}

async function visit(url: string, cookie = '', path = '/status') {
  const answer = await fetch(`${url}${path}`, { headers: { cookie } })
  return { status: answer.status, html: await answer.text(), headers: answer.headers }
}

async function put({ call }: TestBroker, ...names: readonly string[]) {
  for (const name of names) {
    const body = {
      ...{ login_url, credential: { client_secret: app.clientSecret } },
      grant: { type: 'client_credentials', client_id: app.clientId },
    }
    await call('PUT', `/integrations/${name}`, { body })
  }
}

async function keyFor({ call }: TestBroker, name: string, of: object = {}) {
  const body = { name, permissions: ['integrations:read'], integrations: ['*'], ...of }
  const made = await call('POST', '/api-keys', { body })
  return made.body as { readonly id: string; readonly key: string }
}

t.test('a session is a cookie that names a key and has none', async (t) => {
  let passed = 0
  const now = () => Date.now() + passed
  const broker = await startBroker(t, { loginHosts: [login_url], now })
  const { url, adminKey, call } = broker
  const { key, id } = await keyFor(broker, 'reader')
  const first = await visit(url)
  t.match(first.html, SIGN_IN)
  const policy = first.headers.get('content-security-policy') ?? ''
  t.match(policy, /^default-src 'none'; style-src 'sha256-\S+' 'sha256-\S+'; base-uri 'none'; /)
  t.match(policy, `form-action 'self'; frame-ancestors 'none'`)

  const answer = await post(url, ` ${key}\n`)
  t.equal(answer.headers.get('location'), '/status')
  const set = answer.headers.get('set-cookie') ?? ''
  t.match(set, /^valetkey-status=[\w.-]+; Path=\/; Max-Age=28\d{3}; HttpOnly; SameSite=Strict$/)
  const secure = await post(url, key, { origin: `https://${new URL(url).host}` })
  t.match(secure.headers.get('set-cookie'), /^__Host-valetkey-status=.*; Secure$/)
  const cookie = set.split(';')[0] ?? ''
  const page = await visit(url, `other=1; ${cookie}`)
  t.match(page.html, STATUS)
  t.match(
    page.headers.get('content-security-policy'),
    /script-src 'sha256-\S+'; connect-src 'self'/,
  )
  t.equal(page.headers.get('cache-control'), 'no-store')
  t.notMatch(page.html + set, key)
  t.match(broker.audit().at(-1), { action: 'browser.signed_in', detail: { api_key: id } })
  t.notMatch(JSON.stringify([broker.logs(), broker.audit()]), key)
  t.notMatch(broker.logs(), cookie.split('=')[1] ?? '')

  const asCaller = await fetch(`${url}/integrations`, { headers: { cookie } })
  t.equal(asCaller.status, 401, 'it opens nothing else')
  for (const odd of [`${cookie}x`, cookie.slice(0, -1), 'valetkey-status=', 'valetkey-status']) {
    t.match((await visit(url, odd)).html, SIGN_IN, odd.slice(-20))
  }
  const out = await fetch(`${url}/status/sign-out`, {
    ...{ method: 'POST', redirect: 'manual', headers: { origin: url, cookie } },
  })
  t.match(out.headers.get('set-cookie'), /^valetkey-status=; .*Max-Age=0/)
  const overTls = await fetch(`${url}/status/sign-out`, {
    ...{ method: 'POST', redirect: 'manual', headers: { origin: url.replace('http', 'https') } },
  })
  const erased = overTls.headers.getSetCookie().map((one) => one.split(';')[0])
  t.same(erased, ['__Host-valetkey-status=', 'valetkey-status='], 'also one from before TLS')

  const admin = await signIn(url, adminKey)
  const short = await keyFor(broker, 'short', {
    expires_at: new Date(now() + 3_600_000).toISOString(),
  })
  const shortOne = await signIn(url, short.key)
  t.match((await visit(url, admin)).html, STATUS)
  passed = EIGHT_HOURS_MS - 60_000
  t.match((await visit(url, admin)).html, STATUS)
  t.match((await visit(url, shortOne)).html, SIGN_IN, 'it ends with its key')
  passed = EIGHT_HOURS_MS
  t.match((await visit(url, admin)).html, SIGN_IN)
  await call('DELETE', `/api-keys/${id}`)
})

t.test('only the page itself signs in', async (t) => {
  const env = { VALETKEY_PUBLIC_URL: 'https://keys.acme.com' }
  const { url, adminKey } = await startBroker(t, { loginHosts: [], env })
  for (const origin of ['https://evil.example', 'null', `${url}.evil.example`, 'x']) {
    const answer = await post(url, adminKey, { origin })
    t.equal(answer.status, 403, origin)
    t.equal(answer.headers.get('set-cookie'), null)
    t.match(await answer.text(), /Origin is not the origin of this page/)
  }
  t.equal((await post(url, adminKey, {})).status, 403, 'no origin')
  t.equal((await post(url, adminKey, { origin: 'https://keys.acme.com' })).status, 303)
  const out = await fetch(`${url}/status/sign-out`, { method: 'POST', redirect: 'manual' })
  t.equal(out.status, 403)
})

t.test('wrong keys count, and are audited', async (t) => {
  const broker = await startBroker(t, { loginHosts: [] })
  const { url, adminKey, audit } = broker
  const statuses = []
  for (let tries = 0; tries < 22; tries += 1) {
    const answer = await post(url, `vk_wrong${tries}`)
    statuses.push(answer.status)
    t.match(answer.headers.get('content-type'), 'text/html')
    if (answer.status === 429) t.ok(Number(answer.headers.get('retry-after')) > 0)
  }
  t.same(statuses, [...Array(20).fill(401), 429, 429])
  t.match(
    audit().find(({ action }) => action === 'request.denied'),
    { detail: { reason: 'caller_unauthenticated', operation: 'signIn' } },
  )
  t.equal((await post(url, adminKey)).status, 303, 'a right key is never delayed')
  const { key } = await keyFor(broker, 'writer', { permissions: ['tokens:read'] })
  t.equal((await post(url, key)).status, 403, 'it could see nothing')
})

t.test('a key sees what it may see, in pages', async (t) => {
  const broker = await startBroker(t, { loginHosts: [login_url] })
  const { url, adminKey, call } = broker
  const names = Array.from({ length: 51 }, (_, at) => `pay-${String(at).padStart(2, '0')}`)
  await put(broker, 'billing', ...names)
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  const { key } = await keyFor(broker, 'payer', { integrations: ['pay-*'] })
  const some = await signIn(url, key)
  const page = await eventually(async () => {
    const { html } = await visit(url, some)
    return html.includes('unproven 51') ? html : undefined
  })
  t.notMatch(page, /billing|Tokens minted|Replicas:/)
  t.match(page, '>pay-49<')
  t.notMatch(page, '>pay-50<')
  const [, next = ''] = /id="next" href="([^"]+)"/.exec(page) ?? []
  const second = (await visit(url, some, next.replaceAll('&amp;', '&'))).html
  t.match(second, '>pay-50<')
  t.notMatch(second, 'id="next"')
  t.match(second, 'id="first"')

  const all = (await visit(url, await signIn(url, adminKey))).html
  t.match(all, '>billing<')
  t.match(all, 'Tokens minted in the last 24 hours: 1. Refusals: 0.')
  t.match(all, /Replicas: 1/)
  t.match(all, 'the store answered')

  const freeze = async (name: string) => {
    const selector = { integrations: [name] }
    const body = { selector, reason: `<stolen> ${name}`, revoke: false }
    return (await call('POST', '/freezes', { body })).body.id as string
  }
  const ids = [await freeze('billing'), await freeze('pay-50')]
  const [hidden = '', id = ''] = ids
  const frozen = (await visit(url, some)).html
  t.match(frozen, `<h3>${id}: <span class="red">a freeze is in force</span></h3>`)
  t.match(frozen, '&lt;stolen&gt; pay-50')
  t.match(frozen, `valetkey thaw ${id}`)
  t.notMatch(frozen, new RegExp(`${hidden}|billing|Ordered by|Selects`))
  t.match(frozen, '<a id="state-frozen" href="/status?state=frozen">frozen</a>')
  const filtered = (await visit(url, some, '/status?state=frozen')).html
  t.match(filtered, '>pay-50<')
  t.notMatch(filtered, '>pay-49<')
  const needs = (await visit(url, await signIn(url, adminKey))).html
  t.match(needs, /integrations billing.*integrations pay-50/s, 'the oldest first')
  for (const one of ids) await call('DELETE', `/freezes/${one}`)
  t.notMatch((await visit(url, some)).html, 'state-frozen')
  const none = (await visit(url, some, '/status?state=refused')).html
  t.match(none, 'aria-current="page">refused 0</a>', 'the chosen state is always a link')
  const { status, html } = await visit(url, some, '/status?cursor=x')
  t.equal(status, 400)
  t.match(html, 'is not a cursor of this service')
})

t.test(
  'replicas share sessions and counts, and a revoked key ends its sessions on all',
  async (t) => {
    const redis = await startRedis()
    t.teardown(() => redis.stop())
    const keyring = generateKeyring(Date.now()).reveal()
    const adminKey = newAdminKey()
    const start = (own: string, test: Test = t) =>
      startBroker(test, { loginHosts: [login_url], redisUrl: redis.url, keyring, adminKey: own })
    const one = await start(adminKey)
    const other = await start(adminKey)
    await put(one, 'billing')
    const { id, key } = await keyFor(one, 'reader')
    const near = await keyFor(one, 'near', { networks: ['10.0.0.0/8'] })
    t.equal((await post(one.url, near.key)).status, 401, 'from outside of its networks')
    const cookie = await signIn(one.url, key)
    const admin = await signIn(one.url, adminKey)
    t.match((await visit(other.url, cookie)).html, STATUS)

    t.equal((await one.call('GET', '/tokens/billing')).status, 200)
    simulator.refuseNext('user_inactive')
    await put(other, 'stock')
    t.not((await other.call('GET', '/tokens/stock')).status, 200)
    for (const { url } of [one, other]) await visit(url, admin)
    const seen = (await visit(one.url, admin)).html
    t.match(seen, 'Tokens minted in the last 24 hours: 1. Refusals: 1.')
    t.match(seen, /Replicas: 2/)
    const client = new Redis(redis.url)
    const [counts = ''] = await client.keys('*d:callers:billing')
    await client.hset(counts, 'body', 'x')
    client.disconnect()
    const damaged = (await visit(one.url, admin)).html
    t.match(damaged, /billing<.*<td>–<\/td><td>–<\/td><\/tr>/, 'its callers are not known')

    await one.call('DELETE', `/api-keys/${id}`)
    t.match((await visit(one.url, cookie)).html, SIGN_IN)
    await eventually(async () => (await visit(other.url, cookie)).html.includes(SIGN_IN), 2_000)
    t.match((await visit(other.url, admin)).html, STATUS)
    await t.test('another admin key', async (t) => {
      const third = await start(newAdminKey(), t)
      t.match((await visit(third.url, admin)).html, SIGN_IN)
    })

    await redis.kill('SIGKILL')
    const { status, html } = await visit(one.url, admin)
    t.equal(status, 503)
    t.match(html, 'The page cannot be shown now')
    t.match(html, 'This replica and its store')
  },
)

t.test('it is off where the setting says so', async (t) => {
  const { url, call } = await startBroker(t, {
    loginHosts: [],
    env: { VALETKEY_STATUS_PAGE: 'off' },
  })
  for (const path of ['/status', '/status/sign-in']) {
    t.equal((await call('GET', path)).status, 404, path)
  }
  const front = await fetch(url, { headers: { accept: 'text/html' } })
  t.notMatch(await front.text(), '/status')
})
