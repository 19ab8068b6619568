/** Sends requests to Salesforce with a proof, and follows its nonces. */
import type { Secret } from '../crypto/secret.ts'
import type { Outbound, OutboundOutcome, OutboundRequest } from '../http/outbound/outbound.ts'
import { openDpopKey, type StoredDpopKey } from './dpop-key.ts'
import type { DpopNonces } from './nonces.ts'
import { athOf, type ProofSigning, signProof } from './proof.ts'

/** What a proof of a request is signed with. */
interface Proving {
  readonly key: StoredDpopKey
  /** The token in `Authorization`. Absent: none is there, as at the token endpoint. */
  readonly accessToken?: Secret
}

export interface ProvenOutbound {
  /**
   * Sends a request, with a proof if `proving` is there. If the host then asks for its nonce, sends
   * it once more with that: such a refusal comes before anything is done, so that not even a refresh
   * token is used up. Throws `signer_unavailable` and `signing_refused` if a signer makes no proof:
   * what was sent before was refused for its nonce.
   */
  send(request: OutboundRequest, proving?: Proving): Promise<OutboundOutcome>
}

interface ProvenOutboundDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly nonces: Pick<DpopNonces, 'of' | 'learn'>
  /** Epoch milliseconds by the clock of a host, as far as its answers tell it. */
  readonly nowAt: (host: string) => number
  readonly uniqueId: () => string
  readonly signers: ProofSigning
}

export function createProvenOutbound(dependencies: ProvenOutboundDependencies): ProvenOutbound {
  const { outbound, nonces, nowAt, uniqueId, signers } = dependencies

  const attempt = async (request: OutboundRequest, { key: stored, accessToken }: Proving) => {
    const { url, method = 'GET' } = request
    const key = openDpopKey(stored)
    const { thumbprint } = key
    const { host } = new URL(url)
    const dpop = await signProof(
      key,
      {
        ...{ method, url, nonce: nonces.of(thumbprint, host) },
        ath: accessToken && athOf(accessToken),
      },
      { now: () => nowAt(host), uniqueId, signers },
    )
    const outcome = await outbound.send({ ...request, headers: { ...request.headers, dpop } })
    const nonce = (outcome.ok && outcome.headers['dpop-nonce']) || undefined
    if (nonce !== undefined) nonces.learn({ thumbprint, host, nonce })
    return { outcome, isChallenge: nonce !== undefined && wantsNonce(outcome) }
  }

  return {
    async send(request, proving) {
      if (!proving) return outbound.send(request)
      const { outcome, isChallenge } = await attempt(request, proving)
      return isChallenge ? (await attempt(request, proving)).outcome : outcome
    },
  }
}

const CHALLENGE = 'use_dpop_nonce'

/** RFC 9449 names 401 for resources. Salesforce was seen to answer with 400. */
function wantsNonce(outcome: OutboundOutcome): boolean {
  if (!outcome.ok || (outcome.status !== 400 && outcome.status !== 401)) return false
  const { 'www-authenticate': asked = '' } = outcome.headers
  return asked.includes(CHALLENGE) || outcome.body.includes(CHALLENGE)
}
