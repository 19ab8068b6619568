import * as oauth from 'oauth4webapi'
import type { Secret } from '../../crypto/secret.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { OrgCaller } from '../org-api/org-request.ts'
import { type ProbeResult, probeToken } from '../org-api/probe.ts'
import { readUserPermissions, type SeenPermissions } from '../org-api/user-permissions.ts'
import { refusalOf } from '../refusals/refusals.ts'
import type { SalesforceClock } from '../salesforce-clock.ts'
import { type ClientAuth, noClientAuth } from './client-auth.ts'
import { checkDeviceAnswer, type DeviceCode, standardDeviceAnswer } from './device-answer.ts'
import { badAnswer, isSalesforcesOwn, type JsonObject, readAnswer } from './salesforce-answer.ts'
import { secretsOf } from './sent-secrets.ts'
import type { Introspection, TokenAnswer } from './token-answer.ts'
import { byOurClock, checkTokenAnswer, refreshTokenIn } from './token-answer.ts'
import { triedIn } from './tried.ts'

/**
 * The only OAuth HTTP that goes out: sends, times out, normalises, validates. Every method throws
 * `BrokerError` and nothing else: `grant_refused` (with a refusal, see `refusalOf`),
 * `token_response_invalid`, `salesforce_unavailable`, `salesforce_timeout`.
 */
export interface TokenEndpoint {
  /** One token request. */
  token(request: TokenRequest): Promise<TokenAnswer>
  /** Asks for the codes of a device: Salesforce does it at the token endpoint. */
  deviceCode(request: DeviceCodeRequest): Promise<DeviceCode>
  /** Whether a token is alive, and how long. */
  introspect(request: IntrospectRequest): Promise<Introspection>
  /** Ends a token for all who hold it. `unknown_token`: it had ended before. */
  revoke(request: RevokeRequest): Promise<'revoked' | 'unknown_token'>
  /** One cheap REST call, which proves the token and slides its session. */
  probe(caller: OrgCaller): Promise<ProbeResult>
  /** What the user of a token may do beside the integration, as far as that is shown to it. */
  userPermissions(caller: OrgCaller): Promise<SeenPermissions>
  /** By how much the clock of the login host is ahead of ours, in milliseconds, as far as its answers prove. */
  aheadMs(loginUrl: string): number
}

interface EndpointRequest {
  /** An origin, or an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly signal: AbortSignal
}

export interface TokenRequest extends EndpointRequest {
  readonly clientId: string
  readonly clientAuth: ClientAuth
  readonly grantType: string
  /** More members of the form. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Whether it may be sent again on another connection when a kept one was dead: never with a refresh token. */
  readonly repeatable: boolean
  /** Where it goes, if not to the token endpoint of the login URL: a path of the instance that a token is for. */
  readonly path?: string
  /** Puts an answer of another form into Salesforce's usual one. */
  readonly normalise?: (answer: JsonObject) => JsonObject
  /** Called with a refresh token of the answer before the rest of it is checked. */
  readonly onRefreshToken?: (refreshToken: Secret) => void
}

export interface DeviceCodeRequest extends EndpointRequest {
  readonly clientId: string
  /** Null: all that the app has. */
  readonly scopes: readonly string[] | null
}

export interface IntrospectRequest extends EndpointRequest {
  readonly clientId: string
  readonly clientAuth: ClientAuth
  readonly token: Secret
  readonly tokenType: 'access_token' | 'refresh_token'
}

export interface RevokeRequest extends EndpointRequest {
  readonly token: Secret
}

export interface TokenEndpointDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: HostRules
  readonly now: () => number
  readonly clock: SalesforceClock
}

interface Exchange {
  readonly loginUrl: string
  readonly signal: AbortSignal
  readonly repeatable: boolean
  /** Members to hand to oauth4webapi, in the form that it expects. */
  readonly normalise: (answer: JsonObject) => JsonObject
  /** Whether a success needs no members. Default false. */
  readonly isEmptyGood?: boolean
}

/** The token endpoint below a login URL: also the audience of a client assertion. */
export function tokenUrl(loginUrl: string): string {
  return `${loginUrl}/services/oauth2/token`
}

const GONE = new Set(['invalid_token', 'unsupported_token_type'])

export function createTokenEndpoint(dependencies: TokenEndpointDependencies): TokenEndpoint {
  const { outbound, hosts, now, clock } = dependencies
  const aheadMs = (loginUrl: string) => clock.aheadMs(new URL(loginUrl).host)

  /** Our fetcher in the shape that oauth4webapi calls, with the answer normalised before it looks. */
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
        const outcome = await outbound.send({
          url,
          method: 'POST',
          headers: { ...sent.headers, accept: 'application/json' },
          body: form.toString(),
          signal: exchange.signal,
          repeatable: exchange.repeatable,
        })
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
        return Response.json(exchange.normalise(members))
      },
    }
  }

  /** A setting may have changed since the login URL was stored. */
  function requireAllowed(loginUrl: string): void {
    try {
      hosts.checkLoginUrl(loginUrl)
    } catch (cause) {
      throw new BrokerError(
        'salesforce_unavailable',
        'The login_url may not be called any more; see VALETKEY_LOGIN_HOSTS.',
        { cause },
      )
    }
  }

  function requireInstance(instanceUrl: string): void {
    if (hosts.checkInstanceUrl(instanceUrl) !== undefined) return
    throw new BrokerError('salesforce_unavailable', 'The instance may not be called any more.')
  }

  return {
    token: (request) =>
      translated(async () => {
        const { loginUrl, signal, repeatable, path, parameters = {} } = request
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
            loginUrl,
            signal,
            repeatable,
            normalise: (members) => {
              const renewed = refreshTokenIn(members)
              if (renewed) request.onRefreshToken?.(renewed)
              const usual = request.normalise?.(members) ?? members
              const checked = checkTokenAnswer(usual, hosts)
              answer = checked.answer
              return checked.standard
            },
          }),
        )
        await oauth.processGenericTokenEndpointResponse(server, client, response)
        if (answer === undefined) throw badAnswer('The answer was not read.')
        return byOurClock({ ...answer, issuer: loginUrl }, aheadMs(loginUrl))
      }),

    deviceCode: (request) =>
      translated(async () => {
        const { loginUrl, signal, scopes } = request
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
          options({ loginUrl, signal, repeatable: true, normalise }),
        )
        await oauth.processDeviceAuthorizationResponse(server, client, response)
        if (answer === undefined) throw badAnswer('The answer was not read.')
        return answer
      }),

    introspect: (request) =>
      translated(async () => {
        const { loginUrl, signal } = request
        requireAllowed(loginUrl)
        const server = serverAt(loginUrl)
        const client = { client_id: request.clientId }
        const response = await oauth.introspectionRequest(
          server,
          client,
          request.clientAuth,
          request.token.reveal(),
          {
            ...options({ loginUrl, signal, repeatable: true, normalise: introspected }),
            additionalParameters: { token_type_hint: request.tokenType },
          },
        )
        const { active, exp } = await oauth.processIntrospectionResponse(server, client, response)
        return {
          active,
          ...(exp === undefined ? {} : { expiresAt: exp * 1_000 - aheadMs(loginUrl) }),
        }
      }),

    revoke: (request) =>
      translated(async () => {
        const { loginUrl, signal } = request
        if (hosts.checkInstanceUrl(loginUrl) === undefined) requireAllowed(loginUrl)
        try {
          await oauth.revocationRequest(
            serverAt(loginUrl),
            { client_id: 'valetkey' },
            noClientAuth,
            request.token.reveal(),
            options({ loginUrl, signal, repeatable: true, normalise: asItIs, isEmptyGood: true }),
          )
          return 'revoked'
        } catch (error) {
          if (GONE.has(refusalOf(error)?.error ?? '')) return 'unknown_token'
          throw error
        }
      }),

    probe: (request) => translated(() => probeToken(request, { outbound, hosts, now })),
    userPermissions: (request) =>
      translated(() => readUserPermissions(request, { outbound, hosts, now })),
    aheadMs,
  }
}

function serverAt(loginUrl: string, path?: string): oauth.AuthorizationServer {
  return {
    issuer: loginUrl,
    token_endpoint: path === undefined ? tokenUrl(loginUrl) : `${loginUrl}${path}`,
    // Salesforce has no other for devices.
    device_authorization_endpoint: tokenUrl(loginUrl),
    introspection_endpoint: `${loginUrl}/services/oauth2/introspect`,
    revocation_endpoint: `${loginUrl}/services/oauth2/revoke`,
  }
}

/** The last net: what a library throws about an answer is an answer that is no good. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BrokerError) throw error
    throw badAnswer('Salesforce answered something that OAuth does not know.', error)
  }
}

function introspected(members: JsonObject): JsonObject {
  const exp = Number(members.exp ?? Number.NaN)
  return { active: members.active, ...(Number.isFinite(exp) && exp > 0 ? { exp } : {}) }
}

function asItIs(members: JsonObject): JsonObject {
  return members
}
