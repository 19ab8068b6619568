/** Sends one token request with one credential, and finds out the lifetime of the token. Writes nothing. */

import type { Secret } from '../../crypto/secret.ts'
import type { RefreshTokenExchange } from '../../custody/exchange.ts'
import type { GrantContext, GrantRequest, OpenCredential } from '../../grants/grant.ts'
import { grantOf } from '../../grants/index.ts'
import { refusalWordsOf } from '../../grants/refusals/rest-refusal.ts'
import type { Introspection, TokenAnswer } from '../../grants/token-endpoint/token-answer.ts'
import { digestOf, type Integration, sourceOf } from '../../integrations/integration.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import { deadToken, RETRIES, tryAgain } from '../mint/retry.ts'
import {
  configuredExpiry,
  type Expiry,
  expiryOf,
  type Lease,
  type LeaseProof,
  refreshAtOf,
  tokenIdOf,
} from './lease.ts'

/** An opened credential and its client. */
export interface Signer {
  readonly clientId: string
  readonly credential: OpenCredential
}

/** The part of the custody of refresh tokens that a request needs. */
type RefreshTokenSource = Pick<RefreshTokenExchange, 'exchange'>

export type TokenRequester = ReturnType<typeof createTokenRequester>

interface TokenRequesterDependencies {
  readonly grants: GrantContext
  readonly refreshTokens: RefreshTokenSource
  readonly runtime: Runtime
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** Longest time of one attempt at Salesforce. */
const ATTEMPT_MS = 4_000

export function createTokenRequester(dependencies: TokenRequesterDependencies) {
  const { grants, refreshTokens, runtime, log } = dependencies
  const { now, random } = runtime

  const requestOf = (
    { loginUrl, grant }: Integration,
    signer: Signer,
    signal: AbortSignal,
  ): GrantRequest => ({ loginUrl, settings: grant, ...signer, signal })

  const introspectRefreshToken = async (
    integration: Integration,
    signer: Signer,
    refreshToken: Secret,
    signal: AbortSignal,
  ): Promise<Introspection> => {
    const { type } = integration.grant
    const credential = withRefreshToken(signer.credential, refreshToken)
    const request = { ...requestOf(integration, signer, signal), credential }
    const asked = grantOf(type).introspectRefreshToken?.(
      request,
      contextAt(grants, integration.loginUrl),
    )
    return asked ?? Promise.reject(new Error(`${type} knows no refresh tokens`))
  }

  /** Sends one token request. A refresh token is presented by the custody. */
  const answerOf = async (
    integration: Integration,
    signer: Signer,
    admitted: Promise<void>,
    ended: AbortSignal | undefined,
  ): Promise<TokenAnswer> => {
    const { loginUrl, grant: settings } = integration
    const grant = grantOf(settings.type)
    const context = contextAt(grants, loginUrl)
    if (!grant.presentsRefreshToken) {
      const own = new AbortController()
      const request = requestOf(integration, signer, own.signal)
      const sent = grant.request(request, onceAdmitted(context, admitted))
      sent.catch(() => undefined)
      // Salesforce's time limit begins here, so that a slow store does not shorten it.
      await admitted
      const answer = (signal: AbortSignal) => {
        signal.addEventListener('abort', () => own.abort(), { once: true })
        return sent
      }
      return within(ATTEMPT_MS, answer, { signal: ended })
    }
    await admitted
    return refreshTokens.exchange(integration, signer.clientId, {
      present: (refreshToken, options) => {
        const credential = withRefreshToken(signer.credential, refreshToken)
        const request = requestOf(integration, signer, options.signal)
        return grant.request({ ...request, ...options, credential }, context)
      },
      introspect: (refreshToken, signal) =>
        introspectRefreshToken(integration, signer, refreshToken, signal),
    })
  }

  /** Undefined: Salesforce does not say, or is unavailable. */
  const introspect = async (
    integration: Integration,
    signer: Signer,
    answer: TokenAnswer,
  ): Promise<Introspection | undefined> => {
    const { type } = integration.grant
    const context = contextAt(grants, integration.loginUrl)
    try {
      return await within(ATTEMPT_MS, async (signal) =>
        grantOf(type).introspect?.(
          requestOf(integration, signer, signal),
          answer.accessToken,
          context,
        ),
      )
    } catch (error) {
      log.info({ err: error, integration: integration.name }, 'the token cannot be introspected')
      return undefined
    }
  }

  /** Sends one REST call, which proves the token and extends its session. */
  const probe = async ({ name }: Integration, answer: TokenAnswer): Promise<LeaseProof> => {
    const { instanceUrl, accessToken } = answer
    try {
      const result = await within(ATTEMPT_MS, (signal) =>
        grants.endpoint.probe({ instanceUrl, accessToken, signal }),
      )
      if (result.verdict === 'live') return 'live'
      const { verdict, refusal } = result
      const { reason, said } = refusal
      const bindings = { integration: name, reason, salesforce: refusalWordsOf(said) }
      log.warn(bindings, 'a REST call with the token was refused')
      return verdict === 'untold' ? 'unproven' : verdict
    } catch (error) {
      log.warn({ err: error, integration: name }, 'the token could not be proven with a REST call')
      return 'unproven'
    }
  }

  /** Lifetime from the answer, otherwise from one introspection, otherwise half of the configured lifetime after a proof. Undefined: the token is dead. */
  const learn = async (
    integration: Integration,
    signer: Signer,
    answer: TokenAnswer,
    mintedAt: number,
  ): Promise<(Expiry & { readonly proof?: LeaseProof }) | undefined> => {
    const said = expiryOf(answer, mintedAt)
    if (said) return said
    const introspected = await introspect(integration, signer, answer)
    if (introspected?.active === false) return undefined
    if (introspected?.expiresAt !== undefined) {
      return { expiresAt: introspected.expiresAt, source: 'introspection' }
    }
    const proof = await probe(integration, answer)
    if (proof === 'dead') return undefined
    return { ...configuredExpiry(mintedAt, integration.tokenLifetime), proof }
  }

  const attempt = async (
    integration: Integration,
    signer: Signer,
    charge: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<Lease | TokenAnswer> => {
    const { name, uid } = integration
    const admitted = charge()
    const mintedAt = now()
    const asking = answerOf(integration, signer, admitted, signal)
    asking.catch(() => undefined)
    // The login budget must allow the login before anything is sent.
    await admitted
    const answer = await asking
    const learned = await learn(integration, signer, answer, mintedAt)
    if (!learned || learned.expiresAt <= now()) return answer
    return {
      integration: name,
      uid,
      accessToken: answer.accessToken,
      tokenId: tokenIdOf(answer.accessToken),
      issuer: answer.issuer,
      instanceUrl: answer.instanceUrl,
      ...pick(answer),
      issuedAt: answer.issuedAt ?? mintedAt,
      mintedAt,
      expiresAt: learned.expiresAt,
      refreshAt: refreshAtOf(mintedAt, learned.expiresAt, random),
      expirySource: learned.source,
      ...(learned.proof !== undefined && { proof: learned.proof }),
      digest: digestOf(integration, signer.clientId),
    }
  }

  return {
    /** Gets what a request needs before it is charged: the token to exchange. Throws the problem of the source. */
    async ready(integration: Integration): Promise<void> {
      const source = sourceOf(integration)
      if (source === undefined) return
      const { grant, loginUrl } = integration
      const at = grantOf(grant.type).exchangesAtInstance ? undefined : loginUrl
      await within(ATTEMPT_MS, (signal) => grants.subjectTokens.of(source, { at, signal }))
    },
    /** Whether a refresh token is live, without using it. Throws if that is unknown. */
    introspectRefreshToken,
    /** `charge` allows each login. The request is prepared meanwhile, but nothing is sent before. A second request follows if the first token is dead. Throws what `charge` and the grant throw. */
    async request(
      integration: Integration,
      signer: Signer,
      charge: () => Promise<void>,
      signal?: AbortSignal,
    ): Promise<Lease> {
      let dead: TokenAnswer | undefined
      return tryAgain(runtime, [RETRIES.deadToken], async () => {
        if (dead) {
          const { issuer: loginUrl, accessToken: token } = dead
          await within(ATTEMPT_MS, (signal) => grants.endpoint.revoke({ loginUrl, token, signal }))
        }
        const result = await attempt(integration, signer, charge, signal)
        if (isLease(result)) return result
        dead = result
        throw deadToken()
      })
    },
  }
}

/** An assertion has the time of the host that checks it. */
export const contextAt = (grants: GrantContext, loginUrl: string): GrantContext => ({
  ...grants,
  now: () => grants.now() + grants.endpoint.aheadMs(loginUrl),
})

/** Sends nothing before the login is allowed. The time limit of the request begins then. */
const onceAdmitted = (context: GrantContext, admitted: Promise<void>): GrantContext => ({
  ...context,
  endpoint: {
    ...context.endpoint,
    async token(request) {
      await admitted
      return context.endpoint.token(request)
    },
  },
})

/** The client authentication and the refresh token, in the form of the grant. */
function withRefreshToken(proof: OpenCredential, refreshToken: Secret): OpenCredential {
  switch (proof.type) {
    case 'certificate':
      return { type: 'refresh_token', refreshToken, privateKey: proof.privateKey }
    case 'client_secret':
      return { type: 'refresh_token', refreshToken, clientSecret: proof.clientSecret }
    case 'refresh_token':
      return { ...proof, refreshToken }
    case 'none':
      return { type: 'refresh_token', refreshToken }
  }
}

const isLease = (result: Lease | TokenAnswer): result is Lease => 'tokenId' in result

const OPTIONAL = ['apiInstanceUrl', 'scope', 'orgId', 'userId', 'identityUrl'] as const

function pick(answer: TokenAnswer): Partial<Pick<Lease, (typeof OPTIONAL)[number]>> {
  return Object.fromEntries(
    OPTIONAL.flatMap((member) => (answer[member] === undefined ? [] : [[member, answer[member]]])),
  )
}
