/** `/docs` in a real browser. */
import t from 'tap'
import { provideCommand } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { openPage } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'

const chromium = provideCommand('chromium', (line) => t.comment(line))
const skip = !chromium.ok && chromium.why

t.test('/docs shows every route, and asks no other host for anything', { skip }, async (t) => {
  const { url, call } = await startBroker(t, { loginHosts: [] })
  const page = await openPage(t, `${url}/docs`)
  const shown = await eventually(async () => {
    const routes = await page.evaluate(
      `[...document.querySelectorAll('.opblock')].map((block) =>
        block.querySelector('.opblock-summary-method').textContent + ' ' +
        block.querySelector('.opblock-summary-path').dataset.path)`,
    )
    return Array.isArray(routes) && routes.length > 0 ? routes : undefined
  }, 60_000)
  const { body: api } = await call('GET', '/openapi.json')
  const described = Object.entries<object>(api.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  t.same(shown.toSorted(), described.toSorted())
  t.ok(described.includes('GET /tokens/{integration}'))

  await page.evaluate(`document.querySelector('#operations-tokens-getToken button').click()`)
  const text = await eventually(async () => {
    const found = await page.evaluate(
      `document.querySelector('#operations-tokens-getToken').innerText`,
    )
    return String(found).includes('min_ttl') && String(found)
  })
  t.match(text, 'A Salesforce access token of an integration')

  const hosts = page.requests().filter((asked) => !asked.startsWith('data:'))
  t.ok(hosts.length > 3)
  t.same(
    hosts.filter((asked) => !asked.startsWith(`${url}/`)),
    [],
  )
  t.same(page.complaints(), [])
  t.equal(await page.evaluate('document.title'), 'Valetkey')
  t.equal(await page.evaluate(`document.querySelector('.topbar')`), null)
})

t.test('/docs hides a key as it is typed, and shows one problem for all', { skip }, async (t) => {
  const { url } = await startBroker(t, { loginHosts: [] })
  const page = await openPage(t, `${url}/docs`)
  await eventually(async () => {
    const isThere = await page.evaluate(`Boolean(document.querySelector('.btn.authorize'))`)
    return isThere === true
  }, 60_000)
  await page.evaluate(`document.querySelector('.btn.authorize').click()`)
  const types = await eventually(async () => {
    const found = await page.evaluate(
      `[...document.querySelectorAll('.auth-container input')].map(({ id, type }) => [id, type])`,
    )
    const inputs = found as readonly (readonly [string, string])[]
    return inputs.length > 0 &&
      inputs.every(([id, type]) => type === 'password' || id.includes('username'))
      ? inputs
      : undefined
  })
  t.ok(types.length >= 2, 'the bearer key and the secret of Basic')
  const said = await page.evaluate('document.body.innerText')
  t.match(said, 'admin.key')
  await page.evaluate(`document.querySelector('.auth-btn-wrapper .btn-done').click()`)

  const order = await page.evaluate(
    `[...document.querySelectorAll('.opblock-summary-path')].map(({ dataset }) => dataset.path)`,
  )
  t.equal(
    (order as readonly string[])[0],
    '/tokens/{integration}',
    'what services need comes first',
  )
  await page.evaluate(`document.querySelector('#operations-tokens-getToken button').click()`)
  const example = await eventually(async () => {
    const text = await page.evaluate(
      `document.querySelector('#operations-tokens-getToken .responses-wrapper')?.innerText`,
    )
    return String(text).includes('integration_not_connected') ? String(text) : undefined
  })
  const codes = new Set([...example.matchAll(/"code": "([a-z_]+)"/g)].map(([, code]) => code))
  t.same([...codes], ['integration_not_connected'])
  const name = await page.evaluate(
    `document.querySelector('#operations-tokens-getToken tr[data-param-name="integration"] input')?.value`,
  )
  t.match(name, 'client-credentials', 'ready to be tried out')
})

t.test('/docs may be reached by any name without TLS, and frames nothing', async (t) => {
  const { url } = await startBroker(t, { loginHosts: [] })
  const policy = (await fetch(`${url}/docs`)).headers.get('content-security-policy') ?? ''
  t.match(policy, "default-src 'none'")
  t.notMatch(policy, /upgrade-insecure-requests|https:|\*|swagger\.io|unsafe-eval/)
})

t.test('/docs and the document are off where the setting says so', async (t) => {
  const { call } = await startBroker(t, { loginHosts: [], env: { VALETKEY_DOCS: 'off' } })
  for (const path of ['/docs', '/docs/', '/docs/static/swagger-ui.css', '/openapi.json']) {
    t.equal((await call('GET', path)).status, 404, path)
  }
})
