/** A broker process that ends TLS itself, with its certificates in a folder that can be written again. */
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { Agent, type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Authority, Issued } from './authority.ts'
import { newAdminKey, spawnValetkey } from './broker.ts'
import type { Answer } from './caller.ts'
import { eventually } from './eventually.ts'

export interface HttpsAnswer extends Pick<Answer, 'status' | 'body'> {
  /** Of the server, as the client saw it. */
  readonly serial: string
}

export interface HttpsBroker {
  readonly port: number
  readonly adminKey: string
  get(path: string, options?: HttpsGetOptions): Promise<HttpsAnswer>
  /** Replaces files in one step each, as a secret store does. */
  write(files: Partial<TlsContent>): Promise<void>
  output(): string
}

export interface HttpsGetOptions extends Pick<RequestOptions, 'agent' | 'headers'> {
  readonly client?: Issued
  readonly key?: string
  /** Trusted by the client. Default: the authority of the start. */
  readonly ca?: string
}

interface TlsContent {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

interface Teardown {
  teardown(end: () => unknown): void
}

export interface HttpsBrokerOptions {
  readonly authority: Authority
  /** Of the configuration file. */
  readonly callers?: readonly object[]
  /** The CA of clients. Default: the authority; null: clients are not asked. */
  readonly clientCa?: string | null
}

export async function startHttpsBroker(
  t: Teardown,
  { authority, callers = [], clientCa = authority.certificate }: HttpsBrokerOptions,
): Promise<HttpsBroker> {
  const dir = await mkdtemp(join(tmpdir(), 'valetkey-https-'))
  const path = (name: string) => join(dir, name)
  const write = async (files: Partial<TlsContent>) => {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(path(`${name}.new`), text)
      await rename(path(`${name}.new`), path(name))
    }
  }
  const adminKey = newAdminKey()
  await write({
    ...authority.issue({ san: 'DNS:localhost', purpose: 'serverAuth' }),
    ...(clientCa !== null && { ca: clientCa }),
  })
  await writeFile(path('valetkey.yaml'), stringify({ callers }))
  const child = spawnValetkey(['serve'], {
    VALETKEY_PORT: '0',
    VALETKEY_METRICS_PORT: '0',
    VALETKEY_ADMIN_KEY: adminKey,
    VALETKEY_DATA_DIR: path('data'),
    VALETKEY_CONFIG: path('valetkey.yaml'),
    // Each request comes from an address of its own, so that failures hold up nobody.
    VALETKEY_TRUST_PROXY: '127.0.0.1/32,::1/128',
    VALETKEY_TLS_CERT_FILE: path('cert'),
    VALETKEY_TLS_KEY_FILE: path('key'),
    ...(clientCa !== null && { VALETKEY_TLS_CLIENT_CA_FILE: path('ca') }),
  })
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(dir, { recursive: true, force: true })
  })
  const port = await eventually(() => {
    if (child.exitCode !== null) throw new Error(`the broker ended: ${output}`)
    return Number(/"port":(\d+).*"listening"/.exec(output)?.[1] ?? 0)
  })
  const get: HttpsBroker['get'] = (where, options = {}) =>
    httpsGet(port, where, { ca: authority.certificate, ...options })
  await eventually(async () => (await get('/readyz')).status === 200)
  return { port, adminKey, get, write, output: () => output }
}

/** Rejects where there is no TLS connection. */
async function httpsGet(
  port: number,
  path: string,
  { client, key, ca, headers, agent }: HttpsGetOptions,
): Promise<HttpsAnswer> {
  const own = agent === undefined ? new Agent({ keepAlive: false }) : agent
  const sent = request({
    host: 'localhost',
    port,
    path,
    agent: own,
    ...(ca !== undefined && { ca }),
    ...(client && { cert: client.cert, key: client.key }),
    headers: {
      'x-forwarded-for': nextAddress(),
      ...headers,
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
  })
  sent.end()
  const [response] = await once(sent, 'response')
  const { serialNumber: serial } = response.socket.getPeerCertificate()
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, body: JSON.parse(text), serial }
}

let addresses = 0
function nextAddress(): string {
  addresses += 1
  return `198.51.${addresses >> 8}.${addresses & 255}`
}
