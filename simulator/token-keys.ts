import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { App } from './apps.ts'
import { shortId } from './identifiers.ts'
import type { Org, User } from './orgs.ts'

/** The key that signs JWT-format access tokens, and the key set at `/id/keys`. */
export interface TokenKeys {
  /** A JWT-format access token (protocol, section 4.5). Times are epoch milliseconds. */
  newJwt(claims: JwtTokenClaims): string
  jwks(): { readonly keys: readonly object[] }
}

interface JwtTokenClaims {
  readonly org: Org
  readonly user: User
  readonly app: App
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly myDomain: string
  readonly issuedAt: number
  readonly expiresAt: number
}

export function createTokenKeys(): TokenKeys {
  let pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } | undefined
  const kid = `CORE_ATJWT.${randomBytes(6).toString('hex')}`

  /** Created at the first use, because most tests do not need it. */
  function keys() {
    pair ??= generateKeyPairSync('rsa', { modulusLength: 2048 })
    return pair
  }

  return {
    newJwt({ org, user, app, clientId, scopes, myDomain, issuedAt, expiresAt }) {
      const issued = Math.floor(issuedAt / 1000)
      const header = {
        tnk: `core/simulator/${org.id}`,
        ver: '1.0',
        kid,
        tty: 'sfdc-core-token',
        typ: 'JWT',
        alg: 'RS256',
      }
      const payload = {
        scp: scopes.join(' '),
        aud: [myDomain],
        sub: `uid:${shortId(user.id)}`,
        nbf: issued - 15,
        mty: 'oauth',
        sfi: createHash('sha256').update(`${app.id}:${user.id}:${issuedAt}`).digest('hex'),
        roles: [],
        iss: myDomain,
        hsc: false,
        exp: Math.floor(expiresAt / 1000),
        iat: issued,
        client_id: clientId,
      }
      const input = `${encode(header)}.${encode(payload)}`
      return `${input}.${sign('sha256', Buffer.from(input), keys().privateKey).toString('base64url')}`
    },
    jwks: () => ({
      keys: [{ ...keys().publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid }],
    }),
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
