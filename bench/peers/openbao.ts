/**
 * OpenBao with a plugin that gets OAuth tokens and keeps them. Fair to it: dev mode, so its records
 * are in memory, and nothing is audited; its root token, so no policy is looked up; plain HTTP.
 */
import { spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { createInterface } from 'node:readline'
import 'reflect-metadata'
import { X509CertificateGenerator } from '@peculiar/x509'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { endWithThisProcess } from '../../test/support/children.ts'
import { eventually } from '../../test/support/eventually.ts'
import { freePort } from '../../test/support/redis.ts'
import { type Asked, ask } from '../ask.ts'
import { eachOf, nameOf } from '../many.ts'
import type { Setting, Teardown } from '../setting.ts'
import { type OpenbaoPrograms, PLUGIN_NAME } from './openbao-programs.ts'

export interface Openbao {
  readonly url: string
  readonly pid: number
  /** From the start of the process until it is unsealed and the plugin is mounted. */
  readonly readyMs: number
  /** Of a caller. */
  readonly headers: Readonly<Record<string, string>>
  /** How often the plugin ended by a fault of its own, and what it said last. OpenBao starts it again. */
  pluginEnds(): { readonly count: number; readonly words: string | undefined }
  /** Gives what came. Throws on any other status than 2xx. */
  call(method: string, path: string, body?: object): Promise<Asked>
  stop(): Promise<void>
}

const HEADERS = { 'x-vault-token': 'root' }
/** Shorter than what the plugin deems long enough: the next read gets another token. */
const SHORT_LIFE_SECONDS = 1

export async function startOpenbao(
  t: Teardown,
  { folder }: Pick<Setting, 'folder'>,
  { server, pluginFolder }: OpenbaoPrograms,
): Promise<Openbao> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const options = [
    ...['-dev', '-dev-no-store-token', '-dev-root-token-id=root', '-log-level=error'],
    ...[`-dev-listen-address=127.0.0.1:${port}`, `-dev-plugin-dir=${pluginFolder}`],
  ]
  const startedAt = performance.now()
  const child = endWithThisProcess(
    spawn(server, ['server', ...options], {
      env: { PATH: process.env.PATH, HOME: folder },
      // A group of its own: plugins that it forgot would outlive it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  const faults: string[] = []
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      const [fault] = FAULT.exec(line) ?? []
      if (fault !== undefined) faults.push(fault)
    })
  }
  const endGroup = () => {
    try {
      process.kill(-(child.pid ?? Number.NaN), 'SIGKILL')
    } catch (error) {
      // Nobody is left.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  process.once('exit', endGroup)
  t.teardown(() => process.off('exit', endGroup))
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    endGroup()
  }
  t.teardown(stop)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const call = async (method: string, path: string, body?: object) => {
    const asked = await ask(`${url}/v1/${path}`, {
      ...{ agent, method, headers: HEADERS },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (asked.status >= 300) throw new Error(`${path}: ${asked.status} ${asked.text}`)
    return asked
  }
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`OpenBao ended with ${child.exitCode}`)
    // Before that nobody listens, or it is sealed.
    return call('GET', 'sys/health').then(
      () => true,
      () => false,
    )
  })
  await call('POST', `sys/mounts/${PLUGIN_NAME}`, { type: PLUGIN_NAME })
  const readyMs = performance.now() - startedAt
  const pluginEnds = () => ({ count: faults.length, words: faults.at(-1) })
  return { url, pid: child.pid ?? 0, readyMs, headers: HEADERS, pluginEnds, call, stop }
}

/** How Go says in the log why a process ends. */
const FAULT = /(?:fatal error|panic): .*/

/** Whether an answer says that the plugin is gone. OpenBao starts it again at a later call. */
export const isPluginGone = (status: number, text: string): boolean =>
  status === 500 && text.includes('code = Unavailable')

/** Where the token of one is read, as the plugin keeps it. */
export const openbaoPath = (name: string): string => `/v1/${PLUGIN_NAME}/self/${name}`

/** Those whose tokens the plugin has, and which live no longer: the next read of each is a first read. */
export async function addToOpenbao(
  simulator: Simulator,
  bao: Openbao,
  apps: readonly AppSeed[],
): Promise<void> {
  const byName = new Map(apps.map((app) => [app.name, app]))
  const { expiresIn } = simulator.settings()
  simulator.configure({ expiresIn: SHORT_LIFE_SECONDS })
  await eachOf([...byName.keys()], (name) => addServer(bao, byName.get(name) as AppSeed))
  // One after the other: the plugin reads its cache of servers without the lock that its writers hold
  // (pkg/cache/authserver.go), and Go ends a process that reads a map while it is written.
  for (const name of byName.keys()) {
    await bao.call('POST', `${PLUGIN_NAME}/self/${name}`, { server: name })
  }
  simulator.configure({ expiresIn })
}

async function addServer(bao: Openbao, app: AppSeed): Promise<void> {
  await bao.call('POST', `${PLUGIN_NAME}/servers/${app.name}`, {
    ...{ provider: 'custom', client_id: app.clientId, client_secret: app.clientSecret },
    provider_options: {
      token_url: `${app.loginUrl}/services/oauth2/token`,
      auth_style: 'in_params',
    },
  })
}

/** Many, each of an app of its own. Salesforce bounds the logins of a user. */
export async function prepareOpenbaoApps(
  { simulator }: Pick<Setting, 'simulator'>,
  bao: Openbao,
  { prefix, count }: { readonly prefix: string; readonly count: number },
): Promise<readonly string[]> {
  const users = Array.from({ length: 20 }, (_, index) => `${prefix}${index}@acme.com`)
  for (const username of users) simulator.addUser({ username, orgId: simulator.acme.id })
  const names = Array.from({ length: count }, (_, index) => nameOf(prefix, index))
  const apps = names.map((name, index) => {
    const username = users[index % users.length] ?? ''
    return simulator.addClientCredentialsApp({ name, username })
  })
  await addToOpenbao(simulator, bao, apps)
  return names
}

/** JWT bearer, which the plugin does not know by itself. */
export interface OpenbaoAssertions {
  /** Of the key that never leaves OpenBao. */
  readonly certificatePem: string
  add(app: AppSeed): Promise<void>
  /** A new token, which the plugin keeps for the others. */
  mint(app: AppSeed): Promise<void>
}

const KEY = 'transit/keys/salesforce'
const LIFE_SECONDS = 180
const DAY_MS = 86_400_000

/** OpenBao's transit signs an assertion, and the plugin takes it for a parameter of its token request. */
export async function prepareOpenbaoAssertions(bao: Openbao): Promise<OpenbaoAssertions> {
  await bao.call('POST', 'sys/mounts/transit', { type: 'transit' })
  await bao.call('POST', KEY, { type: 'rsa-2048' })
  const { data } = JSON.parse((await bao.call('GET', KEY)).text) as TransitKey
  const header = encoded({ alg: 'RS256' })
  return {
    certificatePem: await certificateOf(data.keys['1']?.public_key ?? ''),
    add: (app) => addServer(bao, app),
    async mint({ name, clientId, username, audience }) {
      const exp = Math.floor(Date.now() / 1_000) + LIFE_SECONDS
      const claims = { iss: clientId, sub: username, aud: audience, exp }
      const text = `${header}.${encoded(claims)}`
      const signed = await bao.call('POST', 'transit/sign/salesforce/sha2-256', {
        input: Buffer.from(text).toString('base64'),
        signature_algorithm: 'pkcs1v15',
      })
      const { signature } = (JSON.parse(signed.text) as Signed).data
      const bytes = Buffer.from(signature.split(':')[2] ?? '', 'base64')
      await bao.call('POST', `${PLUGIN_NAME}/self/${name}`, {
        server: name,
        token_url_params: {
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion: `${text}.${bytes.toString('base64url')}`,
        },
      })
      await bao.call('GET', `${PLUGIN_NAME}/self/${name}`)
    },
  }
}

interface TransitKey {
  readonly data: { readonly keys: Readonly<Record<string, { readonly public_key: string }>> }
}

interface Signed {
  readonly data: { readonly signature: string }
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Signed by a key of its own: Salesforce looks at the public key alone. */
async function certificateOf(publicKey: string): Promise<string> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const generated = {
    ...algorithm,
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
  }
  const { privateKey } = await crypto.subtle.generateKey(generated, false, ['sign', 'verify'])
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=openbao',
    issuer: 'CN=openbao',
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 365 * DAY_MS),
    publicKey: await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    signingKey: privateKey,
    signingAlgorithm: algorithm,
  })
  return certificate.toString('pem')
}
