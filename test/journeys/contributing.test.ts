import { createHmac } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Authenticator } from '../../src/callers/authentication/authenticator.ts'
import { Secret } from '../../src/crypto/secret.ts'
import type { Grant } from '../../src/grants/grant.ts'
import type { TokenAnswer } from '../../src/grants/token-endpoint/token-answer.ts'
import type { TokenRequest } from '../../src/grants/token-endpoint/token-endpoint.ts'
import { newAdminKey, startBrokerProcess } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { grantContextOf } from '../support/grant-context.ts'
import { ROOT } from '../support/project-root.ts'
import { startShell } from '../support/shell.ts'
import { newSigningKey } from '../support/signing-key.ts'

/** A copy of the sources, into which the walks of CONTRIBUTING.md are followed. */
const copy = t.testdir()
await cp(join(ROOT, 'src'), join(copy, 'src'), { recursive: true })
await cp(join(ROOT, 'package.json'), join(copy, 'package.json'))

const guide = readDocument('CONTRIBUTING.md')
const [grantCode = '', grantLine = ''] = guide.blocks('ts', '## Add a grant')
const [callerCode = '', callerLine = ''] = guide.blocks(
  'ts',
  '## Add a way to authenticate callers',
)

const load = async (path: string) => import(pathToFileURL(join(copy, path)).href)

async function add(path: string, code: string): Promise<void> {
  if (existsSync(join(copy, path))) throw new Error(`${path} exists: the guide needs another`)
  await writeFile(join(copy, path), code)
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(join(copy, path), 'utf8')
  const changed = change(text)
  if (changed === text) throw new Error(`${path} has no such line any more`)
  await writeFile(join(copy, path), changed)
}

await add('src/grants/signed-exchange.ts', grantCode)
await edit('src/grants/index.ts', (text) =>
  text
    .replace('export const GRANTS = [', (start) => `${start}${grantLine}`)
    .replace(
      "from './jwt-bearer.ts'\n",
      (line) => `${line}import { signedExchange } from './signed-exchange.ts'\n`,
    ),
)
await add('src/callers/authentication/ticket.ts', callerCode)
await add(
  'src/gate.ts',
  `import type { createGate } from './callers/index.ts'
import { createTicketAuthenticator } from './callers/authentication/ticket.ts'
import type { Secret } from './crypto/secret.ts'
declare const key: Secret
declare const now: () => number
export const authenticators: Parameters<typeof createGate>[0]['authenticators'] = [${callerLine}]
`,
)

t.test('the code of both walks fits the interfaces of today', async (t) => {
  const settings = { extends: join(ROOT, 'tsconfig.json'), include: ['src'] }
  await writeFile(join(copy, 'tsconfig.json'), JSON.stringify(settings))
  // tap has node load itself everywhere, and tsc does not start with that.
  const tsc = `unset NODE_OPTIONS; exec ${join(ROOT, 'node_modules/.bin/tsc')} -p .`
  const shell = startShell(t, tsc, { cwd: copy })
  const status = await shell.ended
  await shell.stop()
  t.ok(status === 0 || shell.output().includes('error TS'), shell.output())
  // Mistakes elsewhere are found by the check of the sources themselves.
  t.notMatch(shell.output(), /(signed-exchange|ticket|gate|grants\/index)\.ts/)
})

t.test('the grant of the walk is listed, and asks as it says', async (t) => {
  const { grantOf } = await load('src/grants/index.ts')
  const grant: Grant = grantOf('signed_exchange')
  const { privateKey } = await newSigningKey()
  const settings = { type: 'signed_exchange', subject: 'jane', tokenHandler: 'Handler' }
  const sent: TokenRequest[] = []
  const token = async (request: TokenRequest): Promise<TokenAnswer> => {
    sent.push(request)
    const loginUrl = 'https://acme.my.salesforce.com'
    return { issuer: loginUrl, accessToken: new Secret('token'), instanceUrl: loginUrl }
  }
  await grant.request(
    {
      loginUrl: 'https://acme.my.salesforce.com',
      settings,
      clientId: 'app',
      credential: { type: 'certificate', privateKey: new Secret(privateKey) },
      signal: AbortSignal.timeout(10_000),
    },
    grantContextOf({ token }),
  )
  t.match(sent, [{ parameters: { client_id: 'app', token_handler: 'Handler' } }])
  t.equal(grant.subject(settings), 'jane')
})

t.test('with the file and the line alone, a broker mints by the grant of the walk', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const { clientId, username } = simulator.addTokenExchangeApp({
    secretRequiredForExchange: false,
  })
  const { call } = await startBrokerProcess(t, {
    root: copy,
    // The published API does not have this grant.
    isWatched: false,
    adminKey: newAdminKey(),
    env: { VALETKEY_DATA_DIR: join(copy, 'data'), VALETKEY_LOGIN_HOSTS: myDomain },
  })
  const grant = { type: 'signed_exchange', client_id: clientId, subject: username }
  const body = { login_url: myDomain, grant, credential: { generate: {} } }
  t.match(await call('PUT', '/integrations/walk', { body }), { status: 201, body: { grant } })
  const wrong = { ...body, grant: { ...grant, subject: undefined } }
  t.match(await call('PUT', '/integrations/wrong', { body: wrong }), {
    status: 400,
    body: { code: 'request_invalid' },
  })
  const token = await call('GET', '/tokens/walk')
  t.match(token, { status: 200, body: { instance_url: myDomain } })
  t.equal((await call('GET', '/tokens/walk')).body.token_id, token.body.token_id)
  t.equal(simulator.tokenRequests().length, 1)
  t.equal(simulator.tokenRequests()[0]?.form?.grant_type?.includes('token-exchange'), true)
})

t.test('the authenticator of the walk knows its own', async (t) => {
  const { createTicketAuthenticator } = await load('src/callers/authentication/ticket.ts')
  const tickets: Authenticator = createTicketAuthenticator({
    key: new Secret('key'),
    now: () => 1_000_000,
  })
  const ticket = (text: string, key = 'key') =>
    `ticket.${text}.${createHmac('sha256', key).update(text).digest('base64url')}`

  t.match(await tickets.authenticate({ bearer: ticket('billing.1001') }), { name: 'billing' })
  t.equal(await tickets.authenticate({ bearer: 'something else' }), undefined)
  t.equal(await tickets.authenticate({}), undefined)
  for (const wrong of ['ticket.', ticket('billing.1000'), ticket('billing.1001', 'other')]) {
    t.throws(() => tickets.authenticate({ bearer: wrong }), { code: 'caller_unauthenticated' })
  }
})
