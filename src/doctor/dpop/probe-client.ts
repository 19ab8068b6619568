/** Sends the requests of probes: each with the proof that its probe wants, right or wrong. */
import type { Secret } from '../../crypto/secret.ts'
import { athOf, htuOf, type ProofSigning, signClaims } from '../../dpop/proof.ts'
import { membersOf } from '../../grants/org-api/org-api.ts'
import { jsonOf, textOf, wordsIn } from '../../grants/token-endpoint/answer-form.ts'
import { TIMED_OUT } from '../../http/outbound/hop.ts'
import type {
  Outbound,
  OutboundAnswer,
  OutboundFailure,
  OutboundOutcome,
  OutboundRequest,
} from '../../http/outbound/outbound.ts'
import { within } from '../../runtime/timeout.ts'
import { CHECK_MS } from '../time-limit.ts'
import type { ProbeKey } from './probe-keys.ts'

/** A proof, and how it differs from a right one. */
export interface Crafted {
  readonly key: ProbeKey
  readonly accessToken?: Secret
  /** Default: that of the request. */
  readonly htu?: string
  /** Default: 0. */
  readonly iatShiftSeconds?: number
  /** Null: none. Default: the last one of the host for this key, if it gave one. */
  readonly nonce?: string | null
}

/** An answer, as far as a report says it: no text of Salesforce but the name of an error. */
export interface ProbeAnswer {
  /** Undefined: there was none. */
  readonly status: number | undefined
  /** For the report. */
  readonly words: string
  readonly isChallenge: boolean
}

export type ProbeClient = ReturnType<typeof createProbeClient>

interface ProbeClientDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  /** Epoch milliseconds by the clock of a host, as far as its answers tell it. */
  readonly nowAt: (host: string) => number
  readonly uniqueId: () => string
  readonly signers: ProofSigning
  /** Called with each nonce of a host for a key. */
  readonly onNonce: (thumbprint: string, host: string, nonce: string) => void
  /** Ends all requests. */
  readonly signal: AbortSignal
}

const CHALLENGE = 'use_dpop_nonce'
/** Names of errors. Anything else may be a secret, or name somebody. */
const ERROR_NAME = /^[A-Za-z_]{2,40}$/

/** It begins without any nonce. */
export function createProbeClient(dependencies: ProbeClientDependencies) {
  const { outbound, nowAt, uniqueId, signers, onNonce, signal } = dependencies
  const nonces = new Map<string, string>()
  const keyOf = (thumbprint: string, host: string) => `${thumbprint} ${host}`

  const proofFor = async (
    { url, method = 'GET' }: OutboundRequest,
    crafted: Crafted,
  ): Promise<string> => {
    const { key, accessToken, htu = htuOf(url), iatShiftSeconds = 0 } = crafted
    const { host } = new URL(url)
    const { nonce = nonces.get(keyOf(key.thumbprint, host)) } = crafted
    const claims = {
      ...{ jti: uniqueId(), htm: method, htu },
      iat: Math.floor(nowAt(host) / 1_000) + iatShiftSeconds,
      ...(accessToken && { ath: athOf(accessToken) }),
      ...(typeof nonce === 'string' && { nonce }),
    }
    return signClaims(key, claims, signers, key.digest)
  }

  const plain = (request: OutboundRequest): Promise<OutboundOutcome> =>
    within(CHECK_MS, (deadline) => outbound.send({ ...request, signal: deadline }), {
      ...{ signal, late: unanswered },
    })

  /** One try. */
  const once = async (
    request: OutboundRequest,
    crafted: Crafted,
    given?: string,
  ): Promise<OutboundOutcome> => {
    const dpop = given ?? (await proofFor(request, crafted))
    const outcome = await plain({ ...request, headers: { ...request.headers, dpop } })
    const nonce = outcome.ok ? outcome.headers['dpop-nonce'] : undefined
    if (nonce) {
      const { thumbprint } = crafted.key
      const { host } = new URL(request.url)
      nonces.set(keyOf(thumbprint, host), nonce)
      onNonce(thumbprint, host, nonce)
    }
    return outcome
  }

  return {
    proofFor,
    /** The last one of the host for this key. */
    nonceOf: ({ thumbprint }: ProbeKey, url: string): string | undefined =>
      nonces.get(keyOf(thumbprint, new URL(url).host)),
    /** Without a proof. */
    plain,
    once,
    /** Once more if the host asks for its nonce. */
    async send(request: OutboundRequest, crafted: Crafted): Promise<OutboundOutcome> {
      const outcome = await once(request, crafted)
      return seenIn(outcome).isChallenge ? once(request, crafted) : outcome
    },
  }
}

const unanswered = (): OutboundFailure => ({
  ok: false,
  reason: 'timeout',
  hop: { at: 'host', step: 'http', code: TIMED_OUT },
})

export function seenIn(outcome: OutboundOutcome): ProbeAnswer {
  if (!outcome.ok) return { status: undefined, words: outcome.reason, isChallenge: false }
  const { status, headers } = outcome
  const name = errorNameIn(outcome)
  const hasNonce = (headers['dpop-nonce'] ?? '') !== ''
  const asked = headers['www-authenticate'] ?? ''
  const isRefused = status === 400 || status === 401
  return {
    status,
    words: [String(status), name ?? [], hasNonce ? 'with DPoP-Nonce' : []].flat().join(' '),
    isChallenge: isRefused && hasNonce && (name === CHALLENGE || asked.includes(CHALLENGE)),
  }
}

function errorNameIn(answer: OutboundAnswer): string | undefined {
  if (answer.status < 400) return undefined
  const { error } = membersOf(jsonOf(answer))
  const names = [error, wordsIn(answer, [])?.errorCode, textOf(answer).trim()]
  return names.find((name): name is string => typeof name === 'string' && ERROR_NAME.test(name))
}
