/** The pages of a connection in a real browser: Salesforce's consent page, and ours after it. */
import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { provideCommand } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { openPage } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startFront } from '../support/front.ts'

t.setTimeout(120_000)

const chromium = provideCommand('chromium', (line) => t.comment(line))
const skip = !chromium.ok && chromium.why
/** A folder to look at what the browser showed. */
const PICTURES = process.env.VALETKEY_TEST_PICTURES

t.test('from the consent page to the connected page, and to an error', { skip }, async (t) => {
  const front = await startFront(t)
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const app = simulator.addRefreshTokenApp({
    name: 'Valetkey',
    callbackUrls: [`${front.url}/oauth/callback`],
    pkceRequired: true,
  })
  const { call, url } = await startBroker(t, {
    loginHosts: [myDomain],
    env: { VALETKEY_PUBLIC_URL: front.url },
  })
  front.turnTo(url)
  await call('PUT', '/integrations/billing', {
    body: {
      login_url: myDomain,
      grant: { type: 'refresh_token', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
  const begin = async () =>
    (
      await call('POST', '/integrations/billing/connections', {
        body: { flow: 'authorization_code' },
      })
    ).body
  const first = await begin()
  const page = await openPage(t, first.authorization_url)
  /** A page that is being left answers nothing, and the next one is asked. */
  const ask = (expression: string) => page.evaluate(expression).catch(() => undefined)
  const title = (wanted: string) =>
    eventually(async () => (await ask('document.title')) === wanted, 60_000)
  const click = (decision: string) =>
    ask(`document.querySelector('button[value=${decision}]').click()`)
  const text = async () => String(await page.evaluate('document.body.innerText'))
  const picture = async (name: string) => {
    const png = await page.screenshot()
    t.same(png.subarray(1, 4).toString(), 'PNG')
    if (PICTURES !== undefined) await writeFile(`${PICTURES}/${name}.png`, png)
  }

  await title('Allow access to Valetkey?')
  await picture('consent')
  await click('allow')
  await title('billing is connected')
  t.match(await text(), /may now act for you in Salesforce/)
  t.match(await text(), simulator.acme.id)
  await picture('connected')
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  t.equal(await page.evaluate('document.scripts.length'), 0)
  t.equal(
    await page.evaluate(`getComputedStyle(document.querySelector('dl')).display`),
    'grid',
    'the policy lets its own style through',
  )

  const second = await begin()
  await ask(`location.href = ${JSON.stringify(second.authorization_url)}`)
  await title('Allow access to Valetkey?')
  await click('deny')
  await title('billing was denied access')
  t.match(await text(), /access_denied/)
  await picture('denied')
  const path = `/integrations/billing/connections/${second.id}`
  t.match((await call('GET', path)).body, { status: 'denied' })

  await ask('location.reload()')
  await title('This link was used before, or is too old')
  await picture('used')
  const asked = page.requests().filter((one) => one.startsWith('http'))
  const ours = asked.filter((one) => one.startsWith(`${front.url}/`))
  t.ok(ours.length >= 3)
  for (const one of ours) t.ok(one.startsWith(`${front.url}/oauth/callback?`), 'the page alone')
  for (const one of asked) t.match(one, new RegExp(`^(${front.url}|${myDomain})/`))
  t.notMatch(page.complaints().join('\n'), /Content Security Policy|violates|Uncaught/)
})
