/** The web server flow with PKCE: builds the authorization URL and exchanges the code. */
import { createHash } from 'node:crypto'
import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import type { ClientAuth } from './token-endpoint/client-auth.ts'
import type { TokenAnswer } from './token-endpoint/token-answer.ts'
import type { TokenEndpoint } from './token-endpoint/token-endpoint.ts'

interface AuthorizationRequest {
  /** An origin, or an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly clientId: string
  readonly redirectUri: string
  readonly state: string
  /** 43 to 128 characters of base64url. */
  readonly codeVerifier: Secret
  /** Null: all scopes of the app. */
  readonly scopes: readonly string[] | null
  /** Thumbprint of the key that the code, and what it is exchanged for, is bound to. */
  readonly dpopJkt?: string | undefined
}

/** `prompt=consent` asks for an approval even if the app is approved, which protects people who follow a link by mistake. */
export function authorizationUrl(request: AuthorizationRequest): string {
  const { loginUrl, clientId, redirectUri, state, codeVerifier, scopes, dpopJkt } = request
  const url = new URL(`${loginUrl}/services/oauth2/authorize`)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    code_challenge: createHash('sha256').update(codeVerifier.reveal()).digest('base64url'),
    code_challenge_method: 'S256',
    prompt: 'consent',
    ...(scopes && { scope: scopes.join(' ') }),
    ...(dpopJkt !== undefined && { dpop_jkt: dpopJkt }),
  }).toString()
  return url.href
}

interface CodeExchange {
  readonly loginUrl: string
  readonly clientId: string
  readonly clientAuth: ClientAuth
  readonly redirectUri: string
  readonly code: Secret
  readonly codeVerifier: Secret
  /** Proves the request. Absent: the code is bound to no key. */
  readonly dpopKey?: StoredDpopKey | undefined
  readonly signal: AbortSignal
  /** Called with the refresh token before the rest of the answer is checked. */
  readonly onRefreshToken: (refreshToken: Secret) => void
}

/** Makes one attempt: a code is valid once. Throws as `TokenEndpoint.token` does. */
export function exchangeCode(
  exchange: CodeExchange,
  endpoint: Pick<TokenEndpoint, 'token'>,
): Promise<TokenAnswer> {
  const { loginUrl, clientId, clientAuth, redirectUri, code, codeVerifier, signal } = exchange
  return endpoint.token({
    loginUrl,
    clientId,
    clientAuth,
    grantType: 'authorization_code',
    parameters: {
      // A client without a secret also sends its id.
      client_id: clientId,
      redirect_uri: redirectUri,
      code: code.reveal(),
      code_verifier: codeVerifier.reveal(),
    },
    repeatable: false,
    onRefreshToken: exchange.onRefreshToken,
    dpopKey: exchange.dpopKey,
    signal,
  })
}
