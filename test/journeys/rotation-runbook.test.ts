import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { type Openssl, openssl } from '../support/openssl.ts'
import { inEachShell, type ShellName, startShell } from '../support/shell.ts'
import { newSigningKey } from '../support/signing-key.ts'

t.setTimeout(120_000)

const runbook = readDocument('docs/rotating-certificates.md')
const [names = ''] = runbook.blocks('sh')
const firstKey = await newSigningKey()

/** What a step leaves for the next one, in a shell that stays open. */
const VARIABLES = ['id', 'former', 'green', 'blue']
const remember = VARIABLES.map((name) => `echo "${name}=\${${name}-}"`).join('; ')

/** Replaces what must be there to be replaced. */
function substitute(script: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((text, [variable, value]) => {
    const assignment = new RegExp(`\\b${variable}=\\S+`)
    if (!assignment.test(text)) throw new Error(`the script does not set ${variable}`)
    return text.replace(assignment, `${variable}=${value}`)
  }, script)
}

/** `billing` with its app, and a shell with the names of the runbook. */
async function setUp(t: Test, shell: ShellName) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const { call, url, adminKey } = await startBroker(t, { loginHosts: [myDomain] })
  const app = simulator.addJwtApp({ certificatePem: firstKey.certificate, name: 'Billing' })
  const put = await call('PUT', '/integrations/billing', {
    body: {
      login_url: myDomain,
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: firstKey.privateKey, certificate: firstKey.certificate },
    },
  })
  t.equal(put.status, 201)
  const folder = t.testdir()
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'data/admin.key'), `${adminKey}\n`)
  await writeFile(join(folder, 'variables'), '')
  const start = substitute(names, { broker: url })
  const run = async (script: string) => {
    const text = [start, '. ./variables', script, `{ ${remember}; } > variables`].join('\n')
    const running = startShell(t, text, { cwd: folder, shell })
    const status = await running.ended
    await running.stop()
    t.equal(status, 0, running.output())
    return running.stdout()
  }
  const read = (file: string) => readFileSync(join(folder, file), 'utf8')
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text)
  const upload = (certificatePem: string, clientId = app.clientId) =>
    simulator.updateApp(clientId, { certificatePem })
  const states = async () =>
    (await call('GET', '/integrations/billing/credentials')).body.items.map(
      ({ state }: { state: string }) => state,
    )
  const token = async () => (await call('GET', '/tokens/billing')).status
  return { simulator, call, app, run, read, write, upload, states, token }
}

inEachShell(t, 'by hand, and back', async (t, shell) => {
  const { run, read, upload, states, token } = await setUp(t, shell)
  const [stage = '', activate = '', list = '', former = '', back = '', ...more] = runbook.blocks(
    'sh',
    '## By hand',
  )
  t.same(more, [])
  await run(stage)
  t.match(await run(activate), '"code":"credential_rejected"')
  upload(read('billing.crt'))
  t.match(JSON.parse(await run(activate)), { state: 'active' })
  t.match(await run(list), /^active \S+\nretired \S+\n$/)
  await run(former)
  upload(read('former.crt'))
  t.match(JSON.parse(await run(back)), { state: 'active' })
  t.same(await states(), ['active', 'retired'])
  t.equal(await token(), 200)
})

inEachShell(t, 'with a CA', async (t, shell) => {
  const { run, read, write, upload, states, token } = await setUp(t, shell)
  const [request = '', certify = '', activate = '', ...more] = runbook.blocks(
    'sh',
    '## With your CA',
  )
  t.same(more, [])
  await run(request)
  const tool = openssl(t)
  tool.write('it.csr', read('billing.csr'))
  write('billing.pem', signed(tool))
  t.match(JSON.parse(await run(certify)), { state: 'staged' })
  upload(read('billing.pem'))
  t.match(JSON.parse(await run(activate)), { state: 'active' })
  t.same(await states(), ['active', 'retired'])
  t.equal(await token(), 200)
})

function signed(tool: Openssl): string {
  tool.run(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key'],
    ...['-out', 'ca.crt', '-subj', '/CN=CA'],
  )
  tool.run(
    ...['x509', '-req', '-in', 'it.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-days', '90'],
    ...['-set_serial', '7', '-out', 'it.pem'],
  )
  return tool.read('it.pem')
}

inEachShell(t, 'with two apps, and back, and again', async (t, shell) => {
  const { simulator, call, app, run, read, upload, token } = await setUp(t, shell)
  const [stage = '', activate = '', back = '', patch = '', ...more] = runbook.blocks(
    'sh',
    '## With two apps',
  )
  t.same(more, [])
  const green = simulator.addJwtApp({ certificatePem: firstKey.certificate, name: 'Green' })
  await run(substitute(stage, { green: green.clientId }))
  t.match(await run(activate), '"code":"credential_rejected"')
  upload(read('green.crt'), green.clientId)
  t.match(JSON.parse(await run(activate)), { state: 'active', client_id: green.clientId })
  t.match(await run(back), `"client_id":"${app.clientId}"`)
  const [active] = (await call('GET', '/integrations/billing/credentials')).body.items
  t.match(active, { state: 'active', client_id: green.clientId })
  const before = (await call('GET', '/tokens/billing')).body.token_id
  t.match(await run(patch), `"client_id":"${green.clientId}"`)
  t.equal((await call('GET', '/tokens/billing')).body.token_id, before)
  const next = await call('POST', '/integrations/billing/credentials', { body: { generate: {} } })
  t.equal(next.body.client_id, green.clientId)
  t.match(next.body.next, 'by itself')
  t.equal(await token(), 200)
})

inEachShell(t, 'automatic rotation', async (t, shell) => {
  const { simulator, call, app, run, read, states, token } = await setUp(t, shell)
  const [register = '', name = '', rotate = '', wait = '', byItself = '', ...more] = runbook.blocks(
    'sh',
    '## Automatic rotation',
  )
  t.same(more, [])
  const admin = simulator.addUser({ username: 'deployer@acme.com' })
  const secret = simulator.addClientCredentialsApp({ username: admin.username })
  const deployer = {
    login_url: simulator.origins.myDomain,
    deployer_id: secret.clientId,
    deployer_secret: secret.clientSecret,
  }
  t.match(JSON.parse(await run(substitute(register, deployer))), { serve_tokens: false })
  const named = JSON.parse(await run(substitute(name, { app: app.apiName })))
  t.match(named.deployment, { through: 'deployer', app: app.apiName })
  t.match(await run(rotate), '"phase":"requested"')
  await run(wait)
  t.match(JSON.parse(read('deployment.json')), { phase: 'activated' })
  t.same(await states(), ['active', 'retired'])
  t.match(JSON.parse(await run(byItself)).deployment, { rotate_every_days: 90 })
  t.equal(await token(), 200)
  t.equal((await call('GET', '/tokens/deployer')).status, 403)
})

inEachShell(t, 'automatic rotation of secrets', async (t, shell) => {
  const { simulator, call, run, read, states, token } = await setUp(t, shell)
  const [rotate = '', wait = '', ...more] = runbook.blocks(
    'sh',
    '### Automatic rotation of secrets',
  )
  t.same(more, [])
  const define = async (
    name: string,
    app: { clientId: string; clientSecret: string },
    members = {},
  ) =>
    call('PUT', `/integrations/${name}`, {
      body: {
        login_url: simulator.origins.myDomain,
        grant: { type: 'client_credentials', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
        ...members,
      },
    })
  await call('DELETE', '/integrations/billing', { headers: { 'if-match': '*' } })
  const app = simulator.addClientCredentialsApp({ name: 'Shop' })
  for (const [name, of, members] of [
    ['deployer', simulator.addClientCredentialsApp(), { serve_tokens: false }],
    ['billing', app, { deployment: { through: 'deployer', app: app.apiName } }],
  ] as const) {
    t.equal((await define(name, of, members)).status, 201)
  }
  t.match(await run(rotate), '"phase":"requested"')
  await run(wait)
  t.match(JSON.parse(read('deployment.json')), { phase: 'activated' })
  t.same(await states(), ['active', 'retired'])
  t.equal(await token(), 200)
})

inEachShell(t, 'the ends of certificates are listed', async (t, shell) => {
  const { run } = await setUp(t, shell)
  const [list = ''] = runbook.blocks('sh', '## What warns of the end')
  t.match(await run(list), /^billing \d{4}-\d\d-\d\dT\S+Z\n$/)
})

t.test('every phase of a deployment is explained', async (t) => {
  const { PHASES } = await import('../../src/rotation/deployment.ts')
  for (const phase of Object.keys(PHASES)) t.match(runbook.text, `\`${phase}\``, phase)
})
