/** An OIDC issuer on loopback: signs tokens, serves its keys, counts who asks, and fails when told to. */
import { once } from 'node:events'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose'
import type { Issued } from './authority.ts'

export interface IssuerRequest {
  readonly path: string
  readonly authorization: string | undefined
}

export interface TestIssuer {
  readonly issuer: string
  readonly jwksUri: string
  readonly requests: readonly IssuerRequest[]
  readonly privateKey: CryptoKey
  readonly jwk: JWK
  /** Claims are added to `iss`, `aud`, `sub`, `iat` and `exp`, which stand for themselves; undefined takes one away. */
  sign(claims?: Readonly<Record<string, unknown>>, options?: SignOptions): Promise<string>
  /** A new key of this id; the former ones are published no longer. */
  rotate(kid: string): Promise<void>
  /** What is answered instead of everything; undefined: all is well. */
  behave(listener: RequestListener | undefined): void
  /** What the keys' document holds; undefined: the keys. */
  publish(body: unknown): void
  stop(): Promise<void>
}

export interface SignOptions {
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: CryptoKey | Uint8Array
  readonly alg?: string
}

export interface IssuerOptions {
  /** Absent: plain HTTP on 127.0.0.1; else HTTPS on localhost. */
  readonly tls?: Issued
  readonly alg?: string
  readonly audience?: string
  readonly now?: () => number
  /** Requests without this bearer token get 401. */
  readonly token?: () => string | undefined
}

export async function startIssuer(options: IssuerOptions = {}): Promise<TestIssuer> {
  const { tls, alg = 'ES256', audience = 'valetkey', now = Date.now, token } = options
  const requests: IssuerRequest[] = []
  let behaviour: RequestListener | undefined
  let published: unknown
  let current = await keyPair(alg, 'k1')

  const listener: RequestListener = (request, response) => {
    const { authorization } = request.headers
    requests.push({ path: request.url ?? '', authorization })
    if (behaviour) {
      behaviour(request, response)
      return
    }
    const wanted = token?.()
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (wanted !== undefined && authorization !== `Bearer ${wanted}`) json(401, {})
    else if (request.url === '/.well-known/openid-configuration') {
      json(200, { issuer: origin, jwks_uri: `${origin}/keys` })
    } else if (request.url === '/keys') json(200, published ?? { keys: [current.jwk] })
    else json(404, {})
  }
  const server = tls ? createHttps(tls, listener) : createHttp(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const origin = tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`

  return {
    issuer: origin,
    jwksUri: `${origin}/keys`,
    requests,
    get privateKey() {
      return current.privateKey
    },
    get jwk() {
      return current.jwk
    },
    async sign(claims = {}, { header = {}, key = current.privateKey, alg: other = alg } = {}) {
      const seconds = Math.floor(now() / 1000)
      const payload = {
        ...{ iss: origin, aud: audience, sub: 'billing', iat: seconds, exp: seconds + 600 },
        ...claims,
      }
      const kept = Object.fromEntries(Object.entries(payload).filter(([, v]) => v !== undefined))
      return new SignJWT(kept as JWTPayload)
        .setProtectedHeader({ alg: other, kid: current.jwk.kid, ...header } as JWTHeaderParameters)
        .sign(key)
    },
    async rotate(kid) {
      current = await keyPair(alg, kid)
    },
    behave(listener) {
      behaviour = listener
    },
    publish(body) {
      published = body
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function keyPair(alg: string, kid: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk: JWK & { kid: string } = { ...(await exportJWK(publicKey)), alg, use: 'sig', kid }
  return { privateKey, jwk }
}
