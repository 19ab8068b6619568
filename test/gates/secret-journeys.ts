/** The life of a broker with everything that can go wrong, while all that it says is written down. */

import type { Fault } from '../../simulator/faults.ts'
import type { Simulator } from '../../simulator/handle.ts'
import type { Answer } from '../support/caller.ts'
import { type Canary, canary, type Evidence } from '../support/canaries.ts'
import { openRaw } from '../support/raw-http.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { ECHO_KINDS, type EchoHost } from './echo-host.ts'

export interface Scene {
  readonly url: string
  readonly adminKey: string
  readonly simulator: Simulator
  readonly echoHost: EchoHost
  /** What came to be secret on the way. */
  readonly canaries: Canary[]
  readonly evidence: Evidence[]
}

interface Options {
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly authorization?: string | null
}

type Seen = Pick<Answer, 'status' | 'body'>

const ANY = { 'if-match': '*' }

/** Calls, and writes down what comes back. Only the answers that are there to hand out a secret are spared, after the secret was noted. */
export function createWitness({ url, adminKey, canaries, evidence }: Scene) {
  return async (method: string, path: string, options: Options = {}): Promise<Seen> => {
    const { body, type = 'application/json', headers = {} } = options
    const { authorization = `Bearer ${adminKey}` } = options
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(authorization !== null && { authorization }),
        ...(body !== undefined && { 'content-type': type }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const source = `${method} ${path.slice(0, 40)} ${response.status}`
    // A gateway is handed the token in this header, and nowhere else.
    const isGateway = response.ok && path.startsWith('/gateway/')
    const [, bearer] = /^Bearer (.+)$/.exec(response.headers.get('authorization') ?? '') ?? []
    if (isGateway && bearer !== undefined) canaries.push(canary('access token', bearer))
    const shown = [...response.headers].filter(([name]) => !isGateway || name !== 'authorization')
    evidence.push({ source: `headers of ${source}`, content: JSON.stringify(shown) })
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const read = isJson && text !== '' ? JSON.parse(text) : text
    const [, session] = /<sessionId>([^<]+)</.exec(text) ?? []
    const handedOut = response.ok ? (read.access_token ?? read.key ?? session) : undefined
    // The link that a person is to open: its state is noted by who opens it.
    const isLink = response.ok && read.authorization_url !== undefined
    if (isLink) return { status: response.status, body: read }
    if (handedOut === undefined) evidence.push({ source: `body of ${source}`, content: text })
    else canaries.push(canary(read.key ? 'API key' : 'access token', handedOut))
    return { status: response.status, body: read }
  }
}

type Witness = ReturnType<typeof createWitness>

const PROVEN = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const

interface Planted {
  readonly key: Awaited<ReturnType<typeof newSigningKey>>
  readonly definitions: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Everything that is secret in them. */
  readonly secrets: readonly string[]
}

/** One integration for each grant and each client authentication. */
export async function plant({ simulator }: Pick<Scene, 'simulator'>): Promise<Planted> {
  const key = await newSigningKey()
  const { privateKey, certificate } = key
  const signing = { private_key: privateKey, certificate }
  const jwtApp = simulator.addJwtApp({ certificatePem: certificate })
  const { myDomain: login_url } = simulator.origins
  const secrets: string[] = [privateKey]
  const client = Object.fromEntries(
    PROVEN.map((client_auth) => {
      const app = simulator.addClientCredentialsApp({ certificatePem: certificate })
      secrets.push(app.clientSecret)
      const grant = { type: 'client_credentials', client_id: app.clientId, client_auth }
      const isSigned = client_auth === 'private_key_jwt'
      const credential = isSigned ? signing : { client_secret: app.clientSecret }
      return [client_auth.replaceAll('_', '-'), { login_url, grant, credential }]
    }),
  )
  const grant = { type: 'jwt_bearer', client_id: jwtApp.clientId, username: jwtApp.username }
  const definitions = { 'jwt-bearer': { login_url, grant, credential: signing }, ...client }
  return { key, definitions, secrets }
}

/** What works. */
export async function runGood(call: Witness, { definitions }: Planted): Promise<void> {
  for (const [name, body] of Object.entries(definitions)) {
    await expect(call('PUT', `/integrations/${name}`, { body }), 201)
    await expect(call('GET', `/tokens/${name}`), 200)
    await expect(call('GET', `/tokens/${name}?min_ttl=3600`), 200)
    await expect(call('POST', `/integrations/${name}/test`), 200)
    await expect(call('HEAD', `/tokens/${name}`), 200)
    await expect(call('PUT', `/integrations/${name}`, { body }), 200)
    await call('PATCH', `/integrations/${name}`, { body: { description: 'a' }, headers: ANY })
    await expect(call('GET', `/tokens/${name}`), 200)
    const { body: list } = await call('GET', `/integrations/${name}/credentials`)
    await call('GET', `/integrations/${name}/credentials/${list.items[0].id}/certificate`)
  }
  const { definition } = { definition: definitions['jwt-bearer'] }
  await call('PUT', '/integrations/made', {
    body: { ...definition, credential: { generate: {} } },
  })
  await call('PUT', '/integrations/follows', {
    body: { ...definition, credential: { from: 'jwt-bearer' } },
  })
  await expect(call('GET', '/tokens/follows'), 200)
  const made = await call('POST', '/api-keys', {
    body: { name: 'reader', permissions: ['tokens:read'], integrations: ['*'] },
  })
  const { id, key } = made.body
  const pair = Buffer.from(`${id}:${key}`).toString('base64')
  const form = 'grant_type=client_credentials&scope=integration:jwt-bearer'
  const type = 'application/x-www-form-urlencoded'
  await expect(
    call('POST', '/oauth/token', { body: form, type, authorization: `Basic ${pair}` }),
    200,
  )
  await expect(
    call('POST', '/oauth/token', {
      body: `${form}&client_id=${id}&client_secret=${key}`,
      type,
      authorization: null,
    }),
    200,
  )
  await call('GET', '/tokens/jwt-bearer', { authorization: `Bearer ${key}` })
  await call('GET', '/integrations', { authorization: `Bearer ${key}` })
}

async function expect(seen: Promise<Seen>, status: number): Promise<void> {
  const { status: found, body } = await seen
  if (found !== status) throw new Error(`${found} instead of ${status}: ${JSON.stringify(body)}`)
}

/** Every GET that the API describes, for every integration: a route that is added is looked at, too. */
export async function readEverything(call: Witness): Promise<void> {
  const { body: api } = await call('GET', '/openapi.json')
  const { body: list } = await call('GET', '/integrations')
  const names: string[] = list.items.map(({ name }: { name: string }) => name)
  for (const [path, methods] of Object.entries<object>(api.paths)) {
    if (!('get' in methods)) continue
    const pathFor = (name: string) =>
      path.replace(/\{(?:name|integration)\}/, name).replace(/\{\w+\}/g, 'x')
    await Promise.all([...new Set(names.map(pathFor))].map((one) => call('GET', one)))
  }
  for (const path of ['/docs', '/openapi.yaml', '/nowhere']) await call('GET', path)
}

const FAULTS: readonly Fault[] = [
  { kind: 'html' },
  { kind: 'empty' },
  { kind: 'invalid_json' },
  { kind: 'too_many_requests' },
  { kind: 'reset' },
  { kind: 'truncated' },
  { kind: 'oversize' },
  { kind: 'foreign_instance_url' },
  { kind: 'members', remove: ['instance_url'] },
  { kind: 'members', set: { token_type: 'mac' } },
  { kind: 'members', set: { id: 7, issued_at: {}, scope: [] } },
  { kind: 'refusal', refusal: 'client_credentials_invalid' },
  { kind: 'refusal', refusal: 'login_rate_exceeded' },
  { kind: 'refusal', refusal: 'retry_your_request' },
]

/** Salesforce fails, before and after it gave a token; and while one is revoked, looked into or proven. */
export async function runFaults(
  call: Witness,
  { simulator }: Scene,
  { definitions }: Planted,
): Promise<void> {
  for (const [name, body] of Object.entries(definitions)) {
    for (const fault of FAULTS) {
      for (const afterCommit of [false, true]) {
        const ordered = simulator.addFault({ ...fault, afterCommit, times: 1, endpoint: 'any' })
        await call('PUT', '/integrations/faulty', { body, headers: {} })
        await call('GET', '/tokens/faulty')
        await call('GET', '/integrations/faulty')
        await call('DELETE', '/tokens/faulty')
        await call('DELETE', '/integrations/faulty', { headers: ANY })
        ordered.remove()
      }
    }
    await call('DELETE', `/tokens/${name}`)
    await call('GET', `/tokens/${name}`)
  }
}

/** A host that says everything back that it was told. */
export async function runEchoes(
  call: Witness,
  { echoHost }: Scene,
  { definitions }: Planted,
): Promise<void> {
  for (const echo of ECHO_KINDS) {
    echoHost.use(echo)
    const tell = async ([name, definition]: [string, object]) => {
      const echoed = `echoed-${name}`
      const body = { ...definition, login_url: echoHost.origin }
      await call('PUT', `/integrations/${echoed}`, { body })
      await call('GET', `/tokens/${echoed}`)
      await expect(call('POST', `/integrations/${echoed}/test`), 200)
      await call('GET', `/integrations/${echoed}`)
      await call('DELETE', `/integrations/${echoed}`, { headers: ANY })
    }
    await Promise.all(Object.entries(definitions).map(tell))
  }
  if (echoHost.requests() === 0) throw new Error('nothing was said to the host')
}

/** Secrets in every wrong place of a request, by a client that knows some and mixes them up. */
export async function runMisplaced(
  call: Witness,
  { url, adminKey, evidence, canaries }: Scene,
  { definitions, secrets }: Planted,
): Promise<void> {
  const known = [adminKey, ...secrets, ...canaries.slice(-3).map(({ bytes }) => bytes.toString())]
  const sound = definitions['client-secret-basic'] ?? {}
  const misplace = async (secret: string) => {
    const inUrl = encodeURIComponent(secret)
    for (const path of [
      ...[`/${inUrl}`, `/tokens/${inUrl}`, `/integrations/${inUrl}`, `/problems/${inUrl}`],
      ...[`/docs/${inUrl}`, `/docs/static/${inUrl}`, `/integrations/a/credentials/${inUrl}`],
      ...[`/tokens/jwt-bearer?rejected=${inUrl}`, `/tokens/jwt-bearer?${inUrl}=1`],
      ...[
        `/integrations?cursor=${inUrl}`,
        `/integrations?label=${inUrl}`,
        `/audit?principal=${inUrl}`,
      ],
      ...[`/integrations?state=${inUrl}`, `/tokens/jwt-bearer?min_ttl=${inUrl}`],
    ]) {
      await call('GET', path)
      await call('POST', path, { authorization: null })
      await call('DELETE', path, { authorization: null })
    }
    const line = secret.replaceAll('\n', ' ')
    for (const header of [
      'if-match',
      'if-none-match',
      'accept',
      'cookie',
      'x-forwarded-for',
      'range',
    ]) {
      await call('DELETE', '/integrations/nowhere', { headers: { [header]: line } })
    }
    for (const authorization of [
      ...[line, `Bearer ${line}x`, `Bearer x${line}`, `Basic ${line}`],
      `Basic ${Buffer.from(`id:${secret}`).toString('base64')}`,
      `Bearer eyJhbGciOiJub25lIn0.${Buffer.from(secret).toString('base64url')}.`,
    ]) {
      await call('GET', '/integrations', { authorization })
    }
    for (const body of [
      { ...sound, [secret]: 1 },
      { ...sound, login_url: secret },
      { ...sound, login_url: `https://acme.my.salesforce.com/${inUrl}` },
      { ...sound, login_url: `https://user:${inUrl}@acme.my.salesforce.com` },
      { ...sound, grant: { type: secret } },
      { ...sound, grant: { type: 'client_credentials', client_id: `${secret} ` } },
      { ...sound, grant: { type: 'client_credentials', [secret]: 'a' } },
      { ...sound, credential: secret },
      { ...sound, credential: { [secret]: 1 } },
      { ...sound, credential: { private_key: secret, certificate: secret } },
      { ...sound, credential: { private_key: `-----BEGIN PRIVATE KEY-----\n${secret}` } },
      { ...sound, credential: { client_secret: `${secret} ` } },
      { ...sound, credential: { from: secret } },
      { ...sound, labels: { [`${secret} `]: 'a' } },
      { ...sound, labels: { a: `${secret}\n` } },
      { ...sound, token_lifetime: secret },
      { ...sound, identity: { pin: secret } },
      [secret],
      secret,
      `{"login_url": ${secret}`,
      `login_url=${inUrl}`,
    ]) {
      await call('PUT', '/integrations/misplaced', { body })
      await call('PATCH', '/integrations/jwt-bearer', { body, headers: ANY })
      await call('POST', '/api-keys', { body })
      await call('PUT', '/integrations/misplaced', { body, type: `text/${line.slice(0, 20)}` })
      await call('DELETE', '/integrations/misplaced', { headers: ANY })
    }
    for (const form of [
      `grant_type=${inUrl}`,
      `grant_type=client_credentials&client_id=${inUrl}&client_secret=${inUrl}&scope=${inUrl}`,
      `${inUrl}=${inUrl}&${inUrl}=${inUrl}`,
    ]) {
      const type = 'application/x-www-form-urlencoded'
      await call('POST', '/oauth/token', { body: form, type, authorization: null })
    }
    for (const bytes of [
      `${line}\r\n\r\n`,
      `GET /${line} HTTP/1.1\r\n\r\n`,
      `${line.slice(0, 20)} / HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\n${line}: a\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${secret}\r\n\r\n`,
      `GET /livez HTTP/1.1\r\nHost: ${line}\r\nExpect: ${line}\r\n\r\n`,
      `CONNECT ${line}:1 HTTP/1.1\r\nHost: a\r\n\r\n`,
    ]) {
      const connection = openRaw(Number(new URL(url).port))
      connection.write(bytes)
      connection.end()
      evidence.push({ source: 'answer to bad HTTP', content: await connection.closed() })
    }
  }
  await Promise.all(known.map(misplace))
}
