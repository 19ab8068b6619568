/** A person at Salesforce connects an integration, in a browser or with a device: as the document has it, and as nobody should. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startBroker } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { decide, enterCode } from '../support/salesforce-user.ts'
import { scrape } from '../support/scrape.ts'
import { inEachShell, startShell } from '../support/shell.ts'
import { world } from './connecting-world.ts'

t.setTimeout(120_000)

/** A program as the document has it, with the names of this test. */
const substitute = (script: string, values: Readonly<Record<string, string>>) =>
  Object.entries(values).reduce((text, [found, value]) => text.replaceAll(found, value), script)

inEachShell(t, 'docs/connecting.md, command by command', async (t, shell) => {
  const { broker, simulator, app, token, state } = await world(t)
  const folder = t.testdir()
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'data/admin.key'), `${broker.adminKey}\n`)
  await writeFile(join(folder, 'id'), '')
  const document = readDocument('docs/connecting.md')
  const [names = ''] = document.blocks('sh')
  const run = async (script: string) => {
    const text = [names, 'id=$(cat id)', script, 'printf %s "$id" > id'].join('\n')
    const named = substitute(text, {
      'http://127.0.0.1:8080': broker.url,
      'https://acme.my.salesforce.com': simulator.origins.myDomain,
      '3MVG9_THE_CONSUMER_KEY': app.clientId,
      THE_CONSUMER_SECRET: app.clientSecret,
    })
    const running = startShell(t, named, { cwd: folder, shell })
    t.equal(await running.ended, 0, running.output())
    await running.stop()
    return running.stdout()
  }
  const [make = '', begin = '', see = ''] = document.blocks('sh', '## In a browser')
  t.match(await run(make), '"state":"not_connected"')
  const link = (await run(begin)).trim()
  t.match(link, /^http\S+\/services\/oauth2\/authorize\?\S+$/)
  const page = await fetch(await decide(link))
  t.equal(page.status, 200)
  t.match(await page.text(), 'billing is connected')
  const seen = await run(see)
  t.match(seen, '"status":"connected"')
  t.match(seen, '"access_token":"00D')
  const [disconnect = ''] = document.blocks('sh', '## Disconnecting')
  await run(disconnect)
  t.equal(await state(), 'not_connected')
  const [device = ''] = document.blocks('sh', '## Without a browser that reaches the broker')
  const [uri = '', code = ''] = (await run(device)).trim().split(' ')
  t.match(await enterCode(uri, code), /You’re connected/)
  await eventually(async () => (await token()).status === 200)
  t.match(await run(see), '"status":"connected"')
})

t.test('refuses what cannot be connected, and says how it could', async (t) => {
  const { call, put, begin, simulator } = await world(t)
  const problem = async (name: string, body: object = { flow: 'device' }) => {
    const answer = await call('POST', `/integrations/${name}/connections`, { body })
    t.match(answer.headers.get('content-type'), 'application/problem+json')
    return answer.body
  }
  t.match(await problem('nobody'), { code: 'integration_not_found' })
  await put({ grant: { type: 'refresh_token' }, credential: undefined })
  t.match(await problem('billing'), { code: 'integration_draft' })
  await call('DELETE', '/integrations/billing', { headers: { 'if-match': '*' } })
  await put({ enabled: false })
  t.match(await problem('billing'), { code: 'integration_disabled' })
  await call('PATCH', '/integrations/billing', {
    body: { enabled: true },
    headers: { 'if-match': '*' },
  })
  t.match(await problem('billing', { flow: 'banana' }), { code: 'request_invalid' })
  t.match(await problem('billing', { flow: 'device', scopes: ['a b'] }), {
    code: 'request_invalid',
  })
  simulator.refuseNext('app_not_installed')
  t.match(await problem('billing'), {
    code: 'grant_refused',
    refusal: { reason: 'app_not_installed' },
  })
  simulator.addFault({ kind: 'html' })
  t.match(await problem('billing'), { code: 'salesforce_unavailable' })
  const other = simulator.addClientCredentialsApp()
  await call('PUT', '/integrations/other', {
    body: {
      login_url: other.loginUrl,
      grant: { type: 'client_credentials', client_id: other.clientId },
      credential: { client_secret: other.clientSecret },
    },
  })
  t.match(await problem('other'), {
    status: 409,
    code: 'grant_unfit',
    detail: /client_credentials/,
  })
  t.match((await begin('device')).body.warning, /30 November 2026/)

  const nowhere = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
  await nowhere.call('PUT', '/integrations/billing', {
    body: {
      login_url: simulator.origins.myDomain,
      grant: { type: 'refresh_token', client_id: other.clientId },
    },
  })
  const answer = await nowhere.call('POST', '/integrations/billing/connections', {
    body: { flow: 'authorization_code' },
  })
  t.match(answer.body, { code: 'request_invalid', detail: /VALETKEY_PUBLIC_URL/ })
  t.equal((await fetch(`${nowhere.url}/oauth/callback?state=x&code=y`)).status, 400)
})

t.test('the callback is public, and gives nothing away', async (t) => {
  const { broker, put, begin, read, connect, front, simulator } = await world(t)
  await put()
  const { status, headers, body } = await begin('authorization_code', { scopes: ['api'] })
  t.equal(status, 201)
  t.equal(headers.get('location'), `/integrations/billing/connections/${body.id}`)
  t.equal(headers.get('cache-control'), 'no-store')
  const back = await decide(body.authorization_url)
  t.equal((await fetch(back, { method: 'HEAD' })).status, 405, 'what scans links finishes nothing')
  const shown = await read(body.id)
  t.match(shown, { status: 'pending', begun_by: 'admin', scopes: ['api', 'refresh_token'] })
  for (const secret of [body.authorization_url, back.searchParams.get('state')]) {
    t.notMatch(JSON.stringify(shown), secret)
  }
  const page = await fetch(back)
  t.equal(page.status, 200)
  t.match(Object.fromEntries(page.headers), {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': /^default-src 'none'/,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
  t.match(await read(body.id), {
    status: 'connected',
    reason: null,
    refusal: null,
    identity: { org_id: /^00D/, user_id: /^005/, instance_url: simulator.origins.myDomain },
  })
  const hostile = [
    '?code=a',
    '?state=',
    '?state=a&state=b',
    '?error=<script>',
    `?state=${'x'.repeat(66)}`,
  ]
  for (const query of hostile) {
    const answer = await fetch(`${front.url}/oauth/callback${query}`)
    t.equal(answer.status, 400, query)
    t.notMatch(await answer.text(), /<script/)
  }
  t.equal((await fetch(back)).status, 400, 'once')
  t.match((await connect({ decision: 'deny' })).text, 'billing was denied access')
  const port = await broker.app.metrics?.listen({ host: '127.0.0.1', port: 0 })
  const { value } = await scrape(port ?? 0)
  for (const status of ['connected', 'denied']) {
    t.equal(value('valetkey_connections_total', { flow: 'authorization_code', status }), 1)
  }
  t.equal(value('valetkey_callbacks_refused_total'), hostile.length + 1)
  const said = broker.logs() + JSON.stringify(broker.audit())
  for (const name of ['state', 'code']) {
    const secret = back.searchParams.get(name) ?? ''
    t.ok(secret.length > 40)
    t.notMatch(said, secret, `${name} is in no log and no audit line`)
  }
})
