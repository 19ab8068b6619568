import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { parseConfigurationFile } from '../../src/config/file.ts'
import { SETTINGS } from '../../src/config/setting.ts'
import { startBroker } from '../support/broker.ts'
import { createCaller } from '../support/caller.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { ROOT } from '../support/project-root.ts'
import { inEachShell, type ShellName, startShell } from '../support/shell.ts'

const readme = readDocument('README.md')
const firstToken = readDocument('docs/first-token.md')

/** The tests run on what `npm ci` installed; running it again would take it from under them. */
const installed = (script: string) => script.replace(/^npm ci && /m, '')

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Replaces what must be there to be replaced. */
function substitute(script: string, values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values).reduce((text, [variable, value]) => {
    const assignment = new RegExp(`\\b${variable}=\\S+`)
    if (!assignment.test(text)) throw new Error(`the script does not set ${variable}`)
    return text.replace(assignment, `${variable}=${value}`)
  }, script)
}

t.test('the one command of the quick start serves a token of each grant', async (t) => {
  const [first = ''] = readme.blocks('sh', '## Quick start')
  t.equal(first.trim(), 'npm ci && npm run demo')
  const running = startShell(t, installed(first), { cwd: ROOT })
  const docs = await eventually(() => {
    if (!running.isRunning()) throw new Error(`the demo ended: ${running.output()}`)
    return /http:\S+\/docs/.exec(running.output())?.[0]
  })
  t.equal(running.output().match(/v60\.0\/ answers 200/g)?.length, 3)
  t.equal((await fetch(docs)).status, 200)
  await running.stop('SIGINT')
  await t.rejects(fetch(docs))
})

inEachShell(t, 'the quick start by hand serves a token that Salesforce takes', async (t, shell) => {
  const [, ...walk] = readme.blocks('sh', '## Quick start')
  t.ok(walk.length > 3)
  const port = await freePort()
  const script = substitute(walk.join('\n'), {
    SIMULATOR_PORT: await freePort(),
    VALETKEY_PORT: port,
    VALETKEY_DATA_DIR: join(t.testdir(), 'data'),
  })
  // Only an interactive shell gives its jobs groups of their own, which is what `%1` ends.
  const interactive = /^kill %1 %2$/m
  t.match(script, interactive)
  const running = startShell(t, script.replace(interactive, ''), {
    cwd: ROOT,
    shell,
    env: { VALETKEY_METRICS_PORT: '0' },
  })
  const status = await running.ended
  await running.stop()
  t.equal(status, 0, running.output())
  t.match(running.stdout(), '"state":"draft"')
  t.match(running.stdout(), '"state":"unproven"')
  t.match(running.stdout(), '/services/data/v66.0/sobjects')
  t.match(running.stdout(), /^cache-status: valetkey; hit; ttl=\d+/m)
  await t.rejects(fetch(`http://127.0.0.1:${port}/livez`))
})

inEachShell(t, 'the steps for an own org lead from a draft to a token', async (t, shell) => {
  const { run, simulator, folder, url } = await ownOrg(t, shell)
  const [, draft = '', sheet = '', patch = '', token = '', apiKey = ''] = firstToken.blocks(
    'sh',
    '## Your own org in ten minutes',
  )
  t.match(await run(draft), '"state":"draft"')
  t.match(await run(sheet), '# JWT bearer flow for `billing`')
  const certificatePem = readFileSync(join(folder, 'billing.crt'), 'utf8')
  const app = simulator.addJwtApp({ certificatePem })
  t.match(await run(substitute(patch, { client_id: app.clientId })), '"state":"unproven"')
  const tested = await run(token)
  t.match(tested, '{"integration":"billing","ok":true,"logins_used":1,')
  t.match(tested, '"token_type":"Bearer"')

  const { id, key } = JSON.parse(await run(apiKey))
  const asService = createCaller(url, key)
  t.equal((await asService('GET', '/tokens/billing')).status, 200)
  t.equal((await asService('GET', '/tokens/reports')).status, 403)
  const basic = Buffer.from(`${id}:${key}`).toString('base64')
  const asOAuthClient = await asService('POST', '/oauth/token', {
    key: null,
    headers: {
      authorization: `Basic ${basic}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials&scope=integration:billing',
  })
  t.match(asOAuthClient.body, { token_type: 'Bearer', instance_url: simulator.origins.myDomain })
})

inEachShell(t, 'a client secret takes one call', async (t, shell) => {
  const { run, simulator } = await ownOrg(t, shell)
  const { clientId, clientSecret } = simulator.addClientCredentialsApp()
  const [script = ''] = firstToken.blocks('sh', '### With a client secret instead')
  const output = await run(substitute(script, { client_id: clientId, client_secret: clientSecret }))
  t.match(output, '"integration":"reports"')
  t.match(output, '"token_type":"Bearer"')
  t.notMatch(output, clientSecret)
})

/** A broker, an offline org, and a shell in which the first block of the section was run. */
async function ownOrg(t: Test, shell: ShellName) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
  const folder = t.testdir()
  await mkdir(join(folder, 'data'))
  await writeFile(join(folder, 'data/admin.key'), `${broker.adminKey}\n`)
  const [names = ''] = firstToken.blocks('sh', '## Your own org in ten minutes')
  const start = substitute(names, { broker: broker.url, login_url: simulator.origins.myDomain })
  const run = async (script: string) => {
    const running = startShell(t, `${start}\n${script}`, { cwd: folder, shell })
    const status = await running.ended
    await running.stop()
    t.equal(status, 0, running.output())
    return running.stdout()
  }
  return { run, simulator, folder, url: broker.url }
}

t.test('the table of calls has every operation of the API, and no other', async (t) => {
  const { paths } = parse(readFileSync(join(ROOT, 'openapi.yaml'), 'utf8'))
  const operations = Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const described = ['GET /openapi.json', 'GET /openapi.yaml', 'GET /docs']
  const { text } = readDocument('docs/api.md')
  const [, table = ''] = /\n\| call \| does \|\n(.*?)\n\n/s.exec(text) ?? []
  const calls = [...table.matchAll(/`([A-Z]+) (\S+)`/g)].map(
    ([, method, path = '']) => `${method} ${path.replace('…', '/integrations/{name}')}`,
  )
  t.strictSame([...calls].sort(), [...operations, ...described].sort())
  const open = Object.entries<Record<string, { security?: unknown[] }>>(paths).flatMap(
    ([path, methods]) =>
      Object.values(methods).flatMap((one) => (one.security?.length === 0 ? [path] : [])),
  )
  t.match(text, 'Everything but the last eight rows needs')
  const lastRows = table.split('\n').slice(-8).join()
  t.strictSame(
    open.filter((path) =>
      ['GET', 'POST'].every((method) => !lastRows.includes(`${method} ${path}\``)),
    ),
    [],
  )
})

t.test('the configuration file of the example is one', async (t) => {
  const [text = ''] = readDocument('docs/configuration-file.md').blocks('yaml', '## Example')
  const { issuers, callers, integrations } = parseConfigurationFile(text)
  t.equal(issuers.length, 1)
  t.match(callers, [{ name: 'billing', match: { issuer: issuers[0]?.issuer } }])
  t.match(integrations, [{ name: 'billing', mistakes: [] }])
})

t.test('every setting that the documents name exists', async (t) => {
  // The command line reads these.
  const known = new Set<string>(['VALETKEY_URL', 'VALETKEY_KEY', 'VALETKEY_CONTEXT'])
  for (const { variable } of Object.values(SETTINGS)) known.add(variable)
  const pages = readdirSync(join(ROOT, 'docs')).filter((file) => file.endsWith('.md'))
  for (const page of ['README.md', ...pages.map((file) => `docs/${file}`)]) {
    const { text } = readDocument(page)
    const named = [...text.matchAll(/\bVALETKEY_[A-Z_]*[A-Z]/g)].map(([name]) => name)
    if (page === 'README.md') t.ok(named.length > 5)
    for (const name of named) {
      t.ok(known.has(name) || known.has(name.replace(/_FILE$/, '')), `${page}: ${name}`)
    }
  }
})
