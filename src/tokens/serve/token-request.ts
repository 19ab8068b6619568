/** Sends one token request with one credential. Writes nothing. */

import type { Secret } from '../../crypto/secret.ts'
import type { RefreshTokenExchange } from '../../custody/exchange.ts'
import { type StoredDpopKey, signerKeyOf } from '../../dpop/dpop-key.ts'
import { asksForBound } from '../../dpop/dpop-rule.ts'
import { BrokerError } from '../../errors/errors.ts'
import { remoteKeyOf } from '../../grants/assertion.ts'
import type { GrantContext, GrantRequest, OpenCredential } from '../../grants/grant.ts'
import { grantOf } from '../../grants/index.ts'
import { withRefreshToken } from '../../grants/presented-credential.ts'
import type { Introspection, TokenAnswer } from '../../grants/token-endpoint/token-answer.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import { digestOf, type Integration, sourceOf } from '../../integrations/integration.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import type { RemoteKey } from '../../signers/remote-key.ts'
import { deadToken, RETRIES, tryAgain } from '../mint/retry.ts'
import {
  assumedLife,
  expiryOf,
  type Lease,
  leaseWith,
  type RefreshTiming,
  tokenIdOf,
} from './lease.ts'
import { createLifetimes } from './lifetime.ts'

/** An opened credential and its client. */
export interface Signer {
  readonly clientId: string
  readonly credential: OpenCredential
  /** Signs the proofs of token requests. Absent: they have none. */
  readonly dpopKey?: StoredDpopKey
  /** The key at a signer that its proofs need, also if a refresh token names the key. */
  readonly proofsBy?: RemoteKey
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

export interface RequestOptions {
  /** Ends the request early, but for one with a refresh token. */
  readonly signal?: AbortSignal | undefined
  /** Whether to learn how long the token lives, and whether it is alive, before it is handed out. Default: always. Otherwise the lease has the safe assumption, and `learnBy`. */
  readonly learnFirst?: ((tokenId: string) => boolean) | undefined
}

/** Longest time of one attempt at Salesforce. */
const ATTEMPT_MS = 4_000
/** After a token that was dead when it was issued, the next ones are proven before they are handed out for so long. */
const SUSPECT_MS = 60_000
/** How many integrations with a dead token are remembered. */
const SUSPECTS = 10_000

export function createTokenRequester(dependencies: TokenRequesterDependencies) {
  const { grants, refreshTokens, runtime, log } = dependencies
  const { now, random } = runtime
  const lifetimes = createLifetimes({
    contextOf: ({ loginUrl }, dpopKey) => contextAt(grants, loginUrl, dpopKey),
    log,
  })
  /** By the uid of the integration, until when by the monotonic clock. */
  const suspects = new Map<string, number>()

  const requestOf = (
    { loginUrl, grant }: Integration,
    { clientId, credential }: Signer,
    signal: AbortSignal,
  ): GrantRequest => ({ loginUrl, settings: grant, clientId, credential, signal })

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
      contextAt(grants, integration.loginUrl, signer.dpopKey),
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
    const context = contextAt(grants, loginUrl, signer.dpopKey)
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
      present: (refreshToken, { dpopKey, ...options }) => {
        const credential = withRefreshToken(signer.credential, refreshToken)
        const request = requestOf(integration, signer, options.signal)
        const proven = contextAt(grants, loginUrl, dpopKey)
        return grant.request({ ...request, ...options, credential }, proven)
      },
      introspect: (refreshToken, signal, dpopKey) =>
        introspectRefreshToken(
          integration,
          { ...signer, ...(dpopKey && { dpopKey }) },
          refreshToken,
          signal,
        ),
    })
  }

  const timingFor = (signer: Signer): RefreshTiming => {
    const times = remoteKeysOf(signer).map((key) => grants.signers.signatureMs(key))
    const signatureMs = times.reduce((sum, ms) => sum + ms, 0)
    return { random, ...(times.length > 0 && { signatureMs }) }
  }

  const isSuspect = (uid: string): boolean => (suspects.get(uid) ?? 0) > runtime.monotonic()

  const suspect = ({ uid }: Integration): void => {
    if (suspects.size >= SUSPECTS) suspects.clear()
    suspects.set(uid, runtime.monotonic() + SUSPECT_MS)
  }

  const attempt = async (
    integration: Integration,
    signer: Signer,
    charge: () => Promise<void>,
    { signal, learnFirst = () => true }: RequestOptions,
  ): Promise<Lease | TokenAnswer> => {
    const { name, uid } = integration
    // A login that nobody can sign must not be charged.
    for (const key of remoteKeysOf(signer)) await grants.signers.ready(key)
    const admitted = charge()
    const mintedAt = now()
    const asking = answerOf(integration, signer, admitted, signal)
    asking.catch(() => undefined)
    // The login budget must allow the login before anything is sent.
    await admitted
    const answer = await asking
    const tokenId = tokenIdOf(answer.accessToken)
    const requestWith = (ended: AbortSignal) => requestOf(integration, signer, ended)
    const life =
      expiryOf(answer, mintedAt) ??
      (isSuspect(uid) || learnFirst(tokenId)
        ? await lifetimes.learn(integration, requestWith, { ...answer, mintedAt })
        : assumedLife(mintedAt, integration.tokenLifetime))
    if (!life || life.expiresAt <= now()) return answer
    const minted = {
      integration: name,
      uid,
      accessToken: answer.accessToken,
      tokenId,
      issuer: answer.issuer,
      instanceUrl: answer.instanceUrl,
      ...pick(answer),
      issuedAt: answer.issuedAt ?? mintedAt,
      mintedAt,
      digest: digestOf(integration, signer.clientId),
      // A refresh token that is older than the rule was requested without a key.
      ...(asksForBound(integration) && answer.dpop === undefined && { dpop: {} }),
    }
    return leaseWith(minted, life, timingFor(signer))
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
    /** Learns the lifetime of a lease with `learnBy`. Undefined: the token is dead. Throws `conflict` where the assumption ended meanwhile, and nothing says that the token is dead. */
    async learn(
      integration: Integration,
      signer: Signer,
      lease: Lease,
      signal: AbortSignal,
    ): Promise<Lease | undefined> {
      const requestWith = (ended: AbortSignal) => requestOf(integration, signer, ended)
      const life = await lifetimes.learn(integration, requestWith, lease, signal)
      // A call that the stop of the process ends says nothing of the token.
      signal.throwIfAborted()
      if (life && life.expiresAt > now()) return leaseWith(lease, life, timingFor(signer))
      if (life?.source === 'configured') {
        throw new BrokerError('conflict', 'The lease ended before the life of its token was known')
      }
      suspect(integration)
      return undefined
    },
    /** `charge` allows each login. The request is prepared meanwhile, but nothing is sent before. A second request follows if the first token is dead. Throws what `charge` and the grant throw. */
    async request(
      integration: Integration,
      signer: Signer,
      charge: () => Promise<void>,
      options: RequestOptions = {},
    ): Promise<Lease> {
      let dead: TokenAnswer | undefined
      return tryAgain(runtime, [RETRIES.deadToken], async () => {
        if (dead) {
          const { issuer: loginUrl, accessToken: token, dpop } = dead
          const request = { loginUrl, token, dpopKey: dpop?.key }
          await within(ATTEMPT_MS, (signal) => grants.endpoint.revoke({ ...request, signal }))
        }
        const result = await attempt(integration, signer, charge, options)
        if (isLease(result)) return result
        dead = result
        suspect(integration)
        throw deadToken()
      })
    },
  }
}

/** An assertion has the time of the host that checks it. With `dpopKey`, each request has a proof. */
export const contextAt = (
  grants: GrantContext,
  loginUrl: string,
  dpopKey?: StoredDpopKey,
): GrantContext => ({
  ...grants,
  ...(dpopKey && { endpoint: withProofs(grants.endpoint, dpopKey) }),
  now: () => grants.now() + grants.endpoint.aheadMs(loginUrl),
})

const withProofs = (endpoint: TokenEndpoint, dpopKey: StoredDpopKey): TokenEndpoint => ({
  ...endpoint,
  token: (request) => endpoint.token({ ...request, dpopKey }),
  introspect: (request) => endpoint.introspect({ ...request, dpopKey }),
  probe: (request) => endpoint.probe({ ...request, dpopKey }),
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

/** The keys that a request needs and the broker does not have. */
const remoteKeysOf = ({ credential, dpopKey, proofsBy }: Signer): readonly RemoteKey[] =>
  [remoteKeyOf(credential), proofsBy ?? signerKeyOf(dpopKey)].filter((key) => key !== undefined)

const isLease = (result: Lease | TokenAnswer): result is Lease => 'tokenId' in result

const OPTIONAL = ['apiInstanceUrl', 'scope', 'orgId', 'userId', 'identityUrl', 'dpop'] as const

function pick(answer: TokenAnswer): Partial<Pick<Lease, (typeof OPTIONAL)[number] | 'signature'>> {
  const members = OPTIONAL.flatMap((member) =>
    answer[member] === undefined ? [] : [[member, answer[member]]],
  )
  return {
    ...Object.fromEntries(members),
    ...(answer.signed && { signature: answer.signed.signature }),
  }
}
