import * as oauth from 'oauth4webapi'
import type { Secret } from '../../crypto/secret.ts'
import type { StoredDpopKey } from '../../dpop/dpop-key.ts'
import type { ProvenOutbound } from '../../dpop/proven-outbound.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import type { OrgCaller } from '../org-api/org-request.ts'
import { type ProbeResult, probeToken } from '../org-api/probe.ts'
import { readUserPermissions, type SeenPermissions } from '../org-api/user-permissions.ts'
import { refusalOf } from '../refusals/refusals.ts'
import type { SalesforceClock } from '../salesforce-clock.ts'
import { type ClientAuth, noClientAuth } from './client-auth.ts'
import { checkDeviceAnswer, type DeviceCode, standardDeviceAnswer } from './device-answer.ts'
import { responseOf } from './read-response.ts'
import { badAnswer, isSalesforcesOwn, type JsonObject, readAnswer } from './salesforce-answer.ts'
import { secretsOf } from './sent-secrets.ts'
import type { Introspection, TokenAnswer } from './token-answer.ts'
import { byOurClock, checkTokenAnswer, refreshTokenIn } from './token-answer.ts'
import { triedIn } from './tried.ts'

/**
 * Sends all OAuth requests, with time-out, normalisation and validation. Every method throws only
 * `BrokerError`: `grant_refused` (with a refusal, see `refusalOf`), `token_response_invalid`,
 * `salesforce_unavailable`, `salesforce_timeout`.
 */
export type TokenEndpoint = ReturnType<typeof createTokenEndpoint>

interface EndpointRequest {
  /** An origin, or an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly signal: AbortSignal
  /** Signs a proof of the request (DPoP). Absent: it has no proof. */
  readonly dpopKey?: StoredDpopKey | undefined
}

export interface TokenRequest extends EndpointRequest {
  readonly clientId: string
  readonly clientAuth: ClientAuth
  readonly grantType: string
  readonly parameters?: Readonly<Record<string, string>>
  /** Whether to repeat the request on another connection if a kept one was closed. Never with a refresh token. */
  readonly repeatable: boolean
  /** A path at the instance of the token, instead of the token endpoint of the login URL. */
  readonly path?: string
  /** Converts an answer to Salesforce's usual form. */
  readonly normalise?: (answer: JsonObject) => JsonObject
  /** Called with the refresh token before the rest of the answer is checked. */
  readonly onRefreshToken?: (refreshToken: Secret) => void
}

interface DeviceCodeRequest extends EndpointRequest {
  readonly clientId: string
  /** Null: all scopes of the app. */
  readonly scopes: readonly string[] | null
}

interface IntrospectRequest extends EndpointRequest {
  readonly clientId: string
  readonly clientAuth: ClientAuth
  readonly token: Secret
  readonly tokenType: 'access_token' | 'refresh_token'
}

interface RevokeRequest extends EndpointRequest {
  readonly token: Secret
}

interface Exchange {
  readonly loginUrl: string
  readonly signal: AbortSignal
  readonly repeatable: boolean
  readonly dpopKey: StoredDpopKey | undefined
  /** Members in the form that oauth4webapi expects. */
  readonly normalise: (answer: JsonObject) => JsonObject
  /** Whether a success may have no members. Default: false. */
  readonly isEmptyGood?: boolean
}

/** The token endpoint of a login URL. It is also the audience of a client assertion. */
export function tokenUrl(loginUrl: string): string {
  return `${loginUrl}/services/oauth2/token`
}

const GONE = new Set(['invalid_token', 'unsupported_token_type'])

export function createTokenEndpoint(dependencies: {
  readonly outbound: ProvenOutbound
  readonly hosts: HostRules
  readonly now: () => number
  readonly clock: SalesforceClock
}) {
  const { outbound, hosts, now, clock } = dependencies
  /** By how much the clock of the login host is ahead of ours, in milliseconds, as far as its answers prove. */
  const aheadMs = (loginUrl: string): number => clock.aheadMs(new URL(loginUrl).host)

  /** Adapts our fetcher to oauth4webapi and normalises the answer before it is read. */
  function options(exchange: Exchange) {
    return {
      headers: { 'user-agent': 'valetkey' },
      signal: exchange.signal,
      [oauth.allowInsecureRequests]: hosts.allowsPrivate(new URL(exchange.loginUrl)),
      async [oauth.customFetch](
        url: string,
        sent: { body?: unknown; headers: Record<string, string> },
      ) {
        const form = sent.body instanceof URLSearchParams ? sent.body : new URLSearchParams()
        const sentAt = now()
        const request = {
          url,
          method: 'POST' as const,
          headers: { ...sent.headers, accept: 'application/json' },
          body: form.toString(),
          signal: exchange.signal,
          repeatable: exchange.repeatable,
        }
        const { dpopKey: key } = exchange
        const outcome = await outbound.send(request, key && { key })
        if (outcome.ok && isSalesforcesOwn(outcome)) {
          const { date } = outcome.headers
          clock.learn(new URL(url).host, { date, sentAt, receivedAt: now() })
        }
        const members = readAnswer({
          outcome,
          host: new URL(url).hostname,
          isSalesforceOwn: hosts.isSalesforceOwn,
          now,
          secrets: secretsOf(form, sent.headers.authorization),
          tried: triedIn(form, sent.headers.authorization),
          isEmptyGood: exchange.isEmptyGood ?? false,
        })
        return responseOf(exchange.normalise(members))
      },
    }
  }

  /** The allowed hosts may have changed since the login URL was stored. */
  function requireAllowed(loginUrl: string): void {
    try {
      hosts.checkLoginUrl(loginUrl)
    } catch (cause) {
      throw new BrokerError(
        'salesforce_unavailable',
        'The host of login_url is no longer allowed; see VALETKEY_LOGIN_HOSTS.',
        { cause },
      )
    }
  }

  function requireInstance(instanceUrl: string): void {
    if (hosts.checkInstanceUrl(instanceUrl) !== undefined) return
    throw new BrokerError(
      'salesforce_unavailable',
      'The host of the instance is no longer allowed.',
    )
  }

  return {
    token: (request: TokenRequest): Promise<TokenAnswer> =>
      translated(async () => {
        const { loginUrl, signal, repeatable, dpopKey, path, parameters = {} } = request
        if (path === undefined) requireAllowed(loginUrl)
        else requireInstance(loginUrl)
        const server = serverAt(loginUrl, path)
        const client = { client_id: request.clientId }
        let answer: Omit<TokenAnswer, 'issuer'> | undefined
        const response = await oauth.genericTokenEndpointRequest(
          server,
          client,
          request.clientAuth,
          request.grantType,
          new URLSearchParams(parameters),
          options({
            ...{ loginUrl, signal, repeatable, dpopKey },
            normalise: (members) => {
              const renewed = refreshTokenIn(members)
              if (renewed) request.onRefreshToken?.(renewed)
              const usual = request.normalise?.(members) ?? members
              const checked = checkTokenAnswer(usual, hosts, dpopKey)
              answer = checked.answer
              return checked.standard
            },
          }),
        )
        await oauth.processGenericTokenEndpointResponse(server, client, response)
        if (answer === undefined) throw badAnswer('The answer was not read.')
        return byOurClock({ ...answer, issuer: loginUrl }, aheadMs(loginUrl))
      }),

    /** Requests device codes, which Salesforce issues at the token endpoint. */
    deviceCode: (request: DeviceCodeRequest): Promise<DeviceCode> =>
      translated(async () => {
        const { loginUrl, signal, dpopKey, scopes } = request
        requireAllowed(loginUrl)
        const server = serverAt(loginUrl)
        const client = { client_id: request.clientId }
        let answer: DeviceCode | undefined
        const normalise = (members: JsonObject) => {
          answer = checkDeviceAnswer(members, hosts)
          return standardDeviceAnswer(answer)
        }
        const response = await oauth.deviceAuthorizationRequest(
          server,
          client,
          noClientAuth,
          { response_type: 'device_code', ...(scopes && { scope: scopes.join(' ') }) },
          options({ loginUrl, signal, dpopKey, repeatable: true, normalise }),
        )
        await oauth.processDeviceAuthorizationResponse(server, client, response)
        if (answer === undefined) throw badAnswer('The answer was not read.')
        return answer
      }),

    /** Whether a token is active, and until when. */
    introspect: (request: IntrospectRequest): Promise<Introspection> =>
      translated(async () => {
        const { loginUrl, signal, dpopKey } = request
        requireAllowed(loginUrl)
        const server = serverAt(loginUrl)
        const client = { client_id: request.clientId }
        const response = await oauth.introspectionRequest(
          server,
          client,
          request.clientAuth,
          request.token.reveal(),
          {
            ...options({ loginUrl, signal, dpopKey, repeatable: true, normalise: introspected }),
            additionalParameters: { token_type_hint: request.tokenType },
          },
        )
        const { active, exp } = await oauth.processIntrospectionResponse(server, client, response)
        return {
          active,
          ...(exp === undefined ? {} : { expiresAt: exp * 1_000 - aheadMs(loginUrl) }),
        }
      }),

    /** Revokes a token for all holders. `unknown_token`: it was not active. */
    revoke: (request: RevokeRequest): Promise<'revoked' | 'unknown_token'> =>
      translated(async () => {
        const { loginUrl, signal, dpopKey } = request
        if (hosts.checkInstanceUrl(loginUrl) === undefined) requireAllowed(loginUrl)
        try {
          await oauth.revocationRequest(
            serverAt(loginUrl),
            { client_id: 'valetkey' },
            noClientAuth,
            request.token.reveal(),
            options({
              ...{ loginUrl, signal, dpopKey },
              ...{ repeatable: true, normalise: asItIs, isEmptyGood: true },
            }),
          )
          return 'revoked'
        } catch (error) {
          if (GONE.has(refusalOf(error)?.error ?? '')) return 'unknown_token'
          throw error
        }
      }),

    /** Makes one inexpensive REST call, which proves the token and extends its session. */
    probe: (request: OrgCaller): Promise<ProbeResult> =>
      translated(() => probeToken(request, { outbound, hosts, now })),
    /** Permissions of the user of a token, as far as the org shows them. */
    userPermissions: (request: OrgCaller): Promise<SeenPermissions> =>
      translated(() => readUserPermissions(request, { outbound, hosts, now })),
    aheadMs,
  }
}

function serverAt(loginUrl: string, path?: string): oauth.AuthorizationServer {
  return {
    issuer: loginUrl,
    token_endpoint: path === undefined ? tokenUrl(loginUrl) : `${loginUrl}${path}`,
    // Salesforce has no separate endpoint for devices.
    device_authorization_endpoint: tokenUrl(loginUrl),
    introspection_endpoint: `${loginUrl}/services/oauth2/introspect`,
    revocation_endpoint: `${loginUrl}/services/oauth2/revoke`,
  }
}

/** Converts errors of the library about an answer to `token_response_invalid`. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BrokerError) throw error
    throw badAnswer('The answer of Salesforce does not conform to OAuth.', error)
  }
}

function introspected(members: JsonObject): JsonObject {
  const exp = Number(members.exp ?? Number.NaN)
  return { active: members.active, ...(Number.isFinite(exp) && exp > 0 ? { exp } : {}) }
}

function asItIs(members: JsonObject): JsonObject {
  return members
}
