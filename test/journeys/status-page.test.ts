/** `/status` in a real browser: narrow and wide, light and dark, by the keyboard alone, and as axe-core judges it. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { provideCommand } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { openPage } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'

t.setTimeout(120_000)

const chromium = provideCommand('chromium', (line) => t.comment(line))
const skip = !chromium.ok && chromium.why
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** A folder to look at what the browser showed. */
const PICTURES = process.env.VALETKEY_TEST_PICTURES
const SIGN_IN = 'Sign in to Valetkey'
/** What a page must show as text, and never do. */
const HOSTILE = `<b id="bold">shown</b><script>document.title = 'run'</script>" '&amp;`

t.test('signs in, shows what needs a person, and signs out', { skip }, async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const login_url = simulator.origins.myDomain
  const { call, url } = await startBroker(t, { loginHosts: [login_url] })
  const app = simulator.addClientCredentialsApp()
  for (const name of ['billing', 'payroll', 'stock']) {
    const body = {
      ...{ login_url, credential: { client_secret: app.clientSecret } },
      grant: { type: 'client_credentials', client_id: app.clientId },
    }
    t.equal((await call('PUT', `/integrations/${name}`, { body })).status, 201)
  }
  const refuse = async (name: string) => {
    const body = { error: 'invalid_grant', error_description: HOSTILE }
    simulator.addFault({ kind: 'answer', answer: { status: 400, body: JSON.stringify(body) } })
    t.equal((await call('GET', `/tokens/${name}`)).status, 424)
    simulator.clearFaults()
  }
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  await refuse('payroll')
  const permissions = ['integrations:read']
  const made = await call('POST', '/api-keys', {
    body: { name: 'reader', permissions, integrations: ['*'] },
  })

  const page = await openPage(t, `${url}/status`)
  /** A page that is being left answers nothing, and the next one is asked. */
  const ask = (expression: string) => page.evaluate(expression).catch(() => undefined)
  const title = (wanted: string) =>
    eventually(async () => (await ask('document.title')) === wanted, 60_000)
  const text = async () => String(await page.evaluate('document.body.innerText'))
  const focused = () => page.evaluate('document.activeElement.id')
  const judge = async (name: string) => {
    await page.evaluate(`window.axe ?? (() => { ${AXE} })()`)
    for (const width of [360, 1280, 1920]) {
      for (const scheme of ['light', 'dark'] as const) {
        const where = `${name} at ${width} pixels, ${scheme}`
        await page.look(width, scheme)
        const found = await page.evaluate(
          `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes.map(({ html }) => html)))`,
        )
        t.same(found, [], where)
        const sizes = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')
        const [wide = 0, window = 0] = sizes as number[]
        t.ok(window === width && wide <= width, `${where}: ${wide} wide`)
        if (PICTURES === undefined) continue
        await writeFile(`${PICTURES}/${name}-${width}-${scheme}.png`, await page.screenshot())
      }
    }
  }
  const signIn = async (key: string) => {
    await title(SIGN_IN)
    await eventually(async () => {
      if ((await focused()) !== 'key') await page.press('Tab')
      return (await focused()) === 'key'
    })
    await page.paste(key)
    await page.press('Enter')
  }
  const tabTo = (id: string) =>
    eventually(async () => {
      if ((await focused()) !== id) await page.press('Tab')
      return (await focused()) === id
    })

  await title(SIGN_IN)
  await judge('sign-in')
  await signIn('vk_wrong')
  await eventually(async () => (await text()).includes('The key is not valid here'))
  await signIn(made.body.key)
  await title('Status')
  await judge('status')
  const shown = await text()
  t.match(shown, `Salesforce said\ninvalid_grant: ${HOSTILE}`)
  t.match(shown, /Remedy\n.*POST \/integrations\/payroll\/test/)
  t.match(shown, 'Signed in as reader')
  t.match(shown, 'Tokens minted in the last 24 hours: 1. Refusals: 1.')
  t.notMatch(shown, 'Replicas', 'which this key may not see')
  t.equal(await page.evaluate(`document.querySelector('#bold')`), null)
  t.equal(await page.evaluate('document.cookie'), '', 'no script sees the session')

  await tabTo('table')
  await refuse('stock')
  await page.evaluate('refresh()')
  t.match(await text(), /stock: refused/)
  t.equal(await focused(), 'table', 'the focus stays')
  await tabTo('state-refused')
  await page.press('Enter')
  await eventually(async () => (await ask('location.search')) === '?state=refused')
  await title('Status')
  const names = `[...document.querySelectorAll('#table tbody th')].map((cell) => cell.textContent)`
  t.same(await page.evaluate(names), ['payroll', 'stock'])

  t.equal((await call('DELETE', `/api-keys/${made.body.id}`)).status, 204)
  await page.evaluate('refresh()')
  await title(SIGN_IN)
  await signIn(
    (
      await call('POST', '/api-keys', {
        body: { name: 'another', permissions, integrations: ['*'] },
      })
    ).body.key,
  )
  await title('Status')
  await tabTo('refreshes')
  await page.press(' ')
  t.equal(await page.evaluate(`document.querySelector('#refreshes').checked`), false)
  await tabTo('sign-out')
  await page.press('Enter')
  await title(SIGN_IN)
  await ask('location.reload()')
  await title(SIGN_IN)

  const asked = page.requests().filter((one) => !one.startsWith('data:'))
  t.same(
    asked.filter((one) => !one.startsWith(`${url}/status`) && one !== `${url}/favicon.ico`),
    [],
  )
  t.notMatch(asked.join(), /vk_/)
  t.notMatch(page.complaints().join('\n'), /Content Security Policy|violates|Uncaught/)
})
