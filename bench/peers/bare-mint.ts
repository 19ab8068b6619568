/**
 * What a mint costs anybody: the same steps by the same libraries, with nothing around them. A look,
 * a lock with another look, a key or secret that is opened, for a key a signature beside a count of
 * logins, the request, a lease that is sealed and saved. Fair to it: nobody is authorised, no count refuses a login,
 * nothing is judged, measured or written down, no other replica hears of it, and what goes wrong ends it.
 * `node bare-mint.ts REDIS_URL LOGIN_URL APPS`; APPS: a file with a PEM and the apps by name. An app with a
 * secret uses the client credentials grant, any other the JWT bearer grant.
 */
import { createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { CompactEncrypt, compactDecrypt, importPKCS8, SignJWT } from 'jose'
import { request } from 'undici'

export interface BareApp {
  readonly clientId: string
  readonly username: string
  readonly audience: string
  /** Of an app for the client credentials grant. */
  readonly clientSecret?: string
}

export interface BareApps {
  /** PKCS #8. */
  readonly privateKey: string
  readonly byName: Readonly<Record<string, BareApp>>
}

const [, , redisUrl = '', loginUrl = '', file = ''] = process.argv
const { privateKey, byName } = JSON.parse(readFileSync(file, 'utf8')) as BareApps
const sealingKey = createSecretKey(randomBytes(32)).toCryptoKey('AES-KW', false, [
  'wrapKey',
  'unwrapKey',
])
const redis = new Redis(redisUrl)

const seal = (text: string): Promise<string> =>
  new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' })
    .encrypt(sealingKey)

async function open(sealed: string): Promise<string> {
  return Buffer.from((await compactDecrypt(sealed, sealingKey)).plaintext).toString()
}

async function sign({ clientId, username, audience }: BareApp, pem: string): Promise<string> {
  const key = await importPKCS8(pem, 'RS256')
  return new SignJWT({ iss: clientId, sub: username, aud: audience })
    .setProtectedHeader({ alg: 'RS256' })
    .setExpirationTime('3m')
    .sign(key)
}

async function ask(parameters: Readonly<Record<string, string>>): Promise<string> {
  const { body } = await request(`${loginUrl}/services/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(parameters).toString(),
  })
  const { access_token: token } = (await body.json()) as { access_token?: string }
  if (!token) throw new Error('There is no token')
  return token
}

const withSecret = ({ clientId }: BareApp, secret: string) => ({
  grant_type: 'client_credentials',
  client_id: clientId,
  client_secret: secret,
})

const withAssertion = async (app: BareApp, pem: string) => ({
  grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  assertion: await sign(app, pem),
})

/** The secret is beside it, sealed. */
type Stored = Omit<BareApp, 'clientSecret'> & { readonly hasSecret: boolean }

async function mint(name: string): Promise<string> {
  await redis.hmget(`i:${name}`, 'definition', 'lease')
  const [, stored] = await Promise.all([
    redis.set(`k:${name}`, 'owner', 'PX', 3_000, 'NX'),
    redis.hmget(`i:${name}`, 'definition', 'sealed'),
  ])
  const [definition, sealed] = stored
  const app = JSON.parse(definition ?? '') as Stored
  const secret = await open(sealed ?? '')
  const [parameters] = await Promise.all([
    app.hasSecret ? withSecret(app, secret) : withAssertion(app, secret),
    redis.hincrby(`b:${name}`, 'logins', 1),
  ])
  const token = await ask(parameters)
  const lease = await seal(token)
  await Promise.all([redis.hset(`i:${name}`, 'lease', lease), redis.del(`k:${name}`)])
  return token
}

const sealedKey = await seal(privateKey)
for (const [name, { clientSecret, ...app }] of Object.entries(byName)) {
  const hasSecret = clientSecret !== undefined
  const definition = JSON.stringify({ ...app, hasSecret } satisfies Stored)
  const sealed = hasSecret ? await seal(clientSecret) : sealedKey
  await redis.hset(`i:${name}`, { definition, sealed })
}
const server = createServer((request, response) => {
  mint(request.url?.split('/').at(-1) ?? '').then(
    (token) => {
      response.writeHead(200, { 'cache-status': 'bare; fwd=miss' }).end(JSON.stringify({ token }))
    },
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify(server.address() as AddressInfo))
})
