/** What a client of Salesforce does, in few words: keys made at run time, assertions by jose, forms by fetch. */
import 'reflect-metadata'
import { randomUUID, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { type JWTPayload, SignJWT } from 'jose'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { type SimulatorOptions, startSimulator } from '../../simulator/simulator.ts'

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export interface SigningKey {
  readonly privateKey: webcrypto.CryptoKey
  readonly certificatePem: string
  readonly privateKeyPem: string
}

/** A key of 2048 bits and its certificate, which may be long over: Salesforce does not mind. */
export async function newSigningKey({
  notAfter = new Date('2040-01-01'),
} = {}): Promise<SigningKey> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=127.0.0.1',
      notBefore: new Date('2020-01-01'),
      notAfter,
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'acme.my.salesforce.com' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
      ],
    },
    webcrypto,
  )
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return {
    privateKey: keys.privateKey,
    certificatePem: certificate.toString('pem'),
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`,
  }
}

/** A simulator that stops with its test. */
export async function simulatorFor(
  test: { teardown(fn: () => Promise<void>): void },
  options: SimulatorOptions = {},
): Promise<Simulator> {
  const simulator = await startSimulator(options)
  test.teardown(() => simulator.stop())
  return simulator
}

/** A claim that is undefined is left out. */
export type Claims = Readonly<Record<string, unknown>>

export async function assertionFor(
  app: AppSeed,
  key: SigningKey,
  claims: Claims = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const payload: Record<string, unknown> = {
    iss: app.clientId,
    sub: app.username,
    aud: app.audience,
    exp: Math.floor(Date.now() / 1000) + 150,
    jti: randomUUID(),
    ...claims,
  }
  return new SignJWT(payload as JWTPayload)
    .setProtectedHeader({ alg: 'RS256', ...header })
    .sign(key.privateKey)
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Empty where the body is no JSON object. */
  readonly members: Readonly<Record<string, unknown>>
}

export type Form = Readonly<Record<string, string>>

export async function post(
  origin: string,
  path: string,
  form: Form,
  headers: Form = {},
): Promise<Reply> {
  const body = new URLSearchParams(form)
  return reply(
    await fetch(`${origin}${path}`, { method: 'POST', body, headers, redirect: 'manual' }),
  )
}

export async function get(origin: string, path: string, token?: string): Promise<Reply> {
  const headers: Form = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return reply(await fetch(`${origin}${path}`, { headers }))
}

export async function reply(response: Response): Promise<Reply> {
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, members: membersOf(text) }
}

function membersOf(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}

export const TOKEN_PATH = '/services/oauth2/token'

export async function mintByAssertion(
  app: AppSeed,
  key: SigningKey,
  claims: Claims = {},
  origin = app.loginUrl,
): Promise<Reply> {
  const assertion = await assertionFor(app, key, claims)
  return post(origin, TOKEN_PATH, { grant_type: JWT_BEARER, assertion })
}

export function mintBySecret(app: AppSeed, form: Form = {}, origin = app.loginUrl): Promise<Reply> {
  return post(origin, TOKEN_PATH, {
    grant_type: 'client_credentials',
    client_id: app.clientId,
    client_secret: app.clientSecret,
    ...form,
  })
}

export function refresh(app: AppSeed, refreshToken: string): Promise<Reply> {
  return post(app.loginUrl, TOKEN_PATH, {
    grant_type: 'refresh_token',
    client_id: app.clientId,
    client_secret: app.clientSecret,
    refresh_token: refreshToken,
  })
}

export function introspect(app: AppSeed, token: string): Promise<Reply> {
  return post(app.loginUrl, '/services/oauth2/introspect', {
    token,
    client_id: app.clientId,
    client_secret: app.clientSecret,
  })
}

export function revoke(origin: string, token: string, form: Form = {}): Promise<Reply> {
  return post(origin, '/services/oauth2/revoke', { token, ...form })
}

/** The status of an ordinary API call with this token. */
export async function useToken(origin: string, token: string): Promise<number> {
  return (await get(origin, '/services/data/v66.0/', token)).status
}

export function accessToken({ members, text }: Reply): string {
  const { access_token: token } = members
  if (typeof token !== 'string') throw new Error(`No access token in ${text}`)
  return token
}

/** Waits until the question is answered with yes; gives up after ten seconds. */
export async function until(question: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!question()) {
    if (Date.now() > deadline) throw new Error('It did not happen within ten seconds')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
