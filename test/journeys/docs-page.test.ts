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
