/** `npm run demo`: starts an offline Salesforce and the broker on loopback, and serves a token. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Simulator } from './handle.ts'
import { startSimulator } from './simulator.ts'

const folder = mkdtempSync(join(tmpdir(), 'valetkey-demo-'))
const dataDir = join(folder, 'data')
const keyFile = join(dataDir, 'admin.key')

const simulator = await startSimulator()
/** Chosen before the broker starts, because browsers are sent to it. */
const port = await freePort()
const broker = spawn(
  process.execPath,
  [new URL('../src/valetkey.js', import.meta.url).pathname, 'serve'],
  {
    env: {
      PATH: process.env.PATH,
      VALETKEY_PORT: String(port),
      VALETKEY_PUBLIC_URL: `http://127.0.0.1:${port}`,
      VALETKEY_METRICS_PORT: '0',
      VALETKEY_DATA_DIR: dataDir,
      VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
let log = ''
broker.stdout.on('data', (chunk) => {
  log += chunk
})

async function stop(status: number): Promise<never> {
  if (broker.exitCode === null && broker.signalCode === null) {
    const ended = once(broker, 'exit')
    broker.kill('SIGTERM')
    await ended
  }
  await simulator.stop()
  rmSync(folder, { recursive: true, force: true })
  process.exit(status)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))
broker.on('exit', (code) => {
  if (code !== 0) {
    console.error(`The broker ended with status ${code}:\n${log}`)
    void stop(1)
  }
})

await listening()
const url = `http://127.0.0.1:${port}`
const adminKey = readFileSync(keyFile, 'utf8').trim()

if (process.stdout.isTTY) {
  console.log(`Valetkey, with an offline Salesforce, on this machine alone
  API            ${url}
  Documentation  ${url}/docs
  Store          embedded, in ${dataDir}, which goes when you press Ctrl-C
  Admin key      in ${keyFile}
`)
}
console.log(`An offline Salesforce is at ${simulator.origins.myDomain}, the broker at ${url}.\n`)
try {
  await walkWithSecret(simulator)
  await walkWithKey(simulator)
  await walkWithPerson(simulator)
} catch (error) {
  console.error(error)
  await stop(1)
}
console.log(`Both stay up until you press Ctrl-C. The API, to try out: ${url}/docs`)

/** The operator has the consumer key and the secret of an app. */
async function walkWithSecret({ origins, addClientCredentialsApp }: Simulator): Promise<void> {
  const name = 'client-credentials'
  console.log(`# ${name}: the app proves itself with its secret`)
  const app = addClientCredentialsApp()
  await call('PUT', `/integrations/${name}`, {
    login_url: origins.myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  })
  await fetchAndUse(name)
}

/** The broker generates the key first. Then the app is created with its certificate. */
async function walkWithKey({ origins, addJwtApp }: Simulator): Promise<void> {
  const name = 'jwt-bearer'
  console.log(`# ${name}: the broker makes a key pair; the private key never leaves it`)
  const username = 'billing@acme.com'
  const grant = { type: 'jwt_bearer', username }
  await call('PUT', `/integrations/${name}`, {
    login_url: origins.myDomain,
    grant,
    credential: { generate: {} },
  })
  const { items } = await call<{ items: [{ certificate: { pem: string } }] }>(
    'GET',
    `/integrations/${name}/credentials`,
  )
  const app = addJwtApp({ certificatePem: items[0].certificate.pem, username })
  console.log(
    '  → its certificate is uploaded to a new app in Salesforce, which has a consumer key now',
  )
  await call('PATCH', `/integrations/${name}`, { grant: { client_id: app.clientId } })
  await fetchAndUse(name)
}

/** A person allows the app once in a browser. The broker keeps the refresh token. */
async function walkWithPerson({ origins, addRefreshTokenApp }: Simulator): Promise<void> {
  const name = 'refresh-token'
  console.log(`# ${name}: a person at Salesforce allows the app`)
  const app = addRefreshTokenApp({
    callbackUrls: [`${url}/oauth/callback`],
    pkceRequired: true,
    refreshTokenRotation: true,
  })
  await call('PUT', `/integrations/${name}`, {
    login_url: origins.myDomain,
    grant: { type: 'refresh_token', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
  })
  const connections = `/integrations/${name}/connections`
  const begun = await call<{ authorization_url: string }>('POST', connections, {
    flow: 'authorization_code',
  })
  console.log(
    `  → a person opens this link and presses Allow, which the demo does here:\n    ${begun.authorization_url}`,
  )
  const body = new URLSearchParams({ decision: 'allow', username: app.username })
  const page = await fetch(begun.authorization_url, { method: 'POST', body })
  if (page.status !== 200) throw new Error(`It is not connected: ${await page.text()}`)
  await fetchAndUse(name)
}

async function fetchAndUse(name: string): Promise<void> {
  const token = await call<{ instance_url: string; access_token: string; expires_in: number }>(
    'GET',
    `/tokens/${name}`,
  )
  console.log(`  → a token for ${token.instance_url}, good for ${token.expires_in} s`)
  const api = await fetch(`${token.instance_url}/services/data/v60.0/`, {
    headers: { authorization: `Bearer ${token.access_token}` },
  })
  console.log(`  → with it, GET ${token.instance_url}/services/data/v60.0/ answers ${api.status}\n`)
  if (api.status !== 200) throw new Error('the token does not work')
}

/** Calls the broker, and prints the call as a command to copy. */
async function call<Documented>(method: string, path: string, body?: object): Promise<Documented> {
  const headers: Record<string, string> = { authorization: `Bearer ${adminKey}` }
  if (body) headers['content-type'] = 'application/json'
  if (method === 'PATCH') headers['if-match'] = '*'
  const options = [
    ...(method === 'GET' ? [] : [`-X ${method}`]),
    `-H "Authorization: Bearer $(cat ${keyFile})"`,
    ...(method === 'PATCH' ? [`-H 'If-Match: *'`] : []),
    ...(body ? [`-H 'Content-Type: application/json'`, `-d '${JSON.stringify(body)}'`] : []),
  ]
  console.log(`curl ${url}${path} ${options.join(' ')}`)
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = (await response.json()) as Documented
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
  return answer
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: free } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return free
}

async function listening(): Promise<void> {
  const end = Date.now() + 30_000
  while (Date.now() < end) {
    if (/"listening"/.test(log)) return
    await sleep(20)
  }
  throw new Error(`the broker did not start:\n${log}`)
}
