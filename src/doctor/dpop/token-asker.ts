/** Asks for tokens as the integration does, each time with the proof that a probe wants. */
import type { Secret } from '../../crypto/secret.ts'
import type { StoredDpopKey } from '../../dpop/dpop-key.ts'
import type { ProvenOutbound } from '../../dpop/proven-outbound.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { GrantContext, GrantRequest } from '../../grants/grant.ts'
import { grantOf } from '../../grants/index.ts'
import type { SalesforceClock } from '../../grants/salesforce-clock.ts'
import type { TokenAnswer } from '../../grants/token-endpoint/token-answer.ts'
import { createTokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import type { OutboundOutcome } from '../../http/outbound/outbound.ts'
import type { SigningClient } from '../../tokens/mint/mint.ts'
import { contextAt } from '../../tokens/serve/token-request.ts'
import { type ProbeAnswer, type ProbeClient, seenIn } from './probe-client.ts'
import type { ProbeKey } from './probe-keys.ts'

export interface AskedToken {
  /** The last answer. */
  readonly seen: ProbeAnswer
  /** The first answer, if it asked for a nonce. */
  readonly challenge: ProbeAnswer | undefined
  /** Undefined: none was given. */
  readonly token: TokenAnswer | undefined
  readonly isBound: boolean
}

export type TokenAsker = ReturnType<typeof createTokenAsker>

interface TokenAskerDependencies {
  readonly asked: SigningClient
  readonly client: ProbeClient
  readonly grants: GrantContext
  readonly hosts: HostRules
  readonly clock: SalesforceClock
  /** Called before each login. Throws `login_budget_exhausted`. */
  readonly charge: () => Promise<void>
  /** Ends all requests. */
  readonly signal: AbortSignal
}

export function createTokenAsker(dependencies: TokenAskerDependencies) {
  const { asked, client, grants, hosts, clock, charge, signal } = dependencies
  const { integration, signer } = asked
  const { loginUrl, grant: settings } = integration
  const grant = grantOf(settings.type)
  const request = (): GrantRequest => {
    const { clientId, credential } = signer
    return { loginUrl, settings, clientId, credential, signal }
  }

  /** An endpoint that sends with proofs of this key, and writes down what is answered. */
  const contextWith = (
    key: ProbeKey | undefined,
    answers: OutboundOutcome[],
    nonce?: string,
  ): GrantContext => {
    const outbound: ProvenOutbound = {
      async send(sent) {
        const crafted = key && { key, ...(nonce !== undefined && { nonce }) }
        const outcome = await (crafted ? client.once(sent, crafted) : client.plain(sent))
        answers.push(outcome)
        if (nonce !== undefined || !key || !seenIn(outcome).isChallenge) return outcome
        const again = await client.once(sent, { key })
        answers.push(again)
        return again
      },
    }
    const endpoint = createTokenEndpoint({ outbound, hosts, clock, now: grants.now })
    const { now, ...context } = contextAt(grants, loginUrl)
    const marked = key && MARK
    return {
      ...context,
      now,
      endpoint: {
        ...endpoint,
        token: (form) => endpoint.token({ ...form, dpopKey: marked }),
      },
    }
  }

  const attempt = async (key: ProbeKey | undefined, nonce?: string): Promise<AskedToken> => {
    const answers: OutboundOutcome[] = []
    await charge()
    let token: TokenAnswer | undefined
    try {
      token = await grant.request(request(), contextWith(key, answers, nonce))
    } catch (error) {
      // Nothing was sent: this says nothing of Salesforce.
      if (!(error instanceof BrokerError) || answers.length === 0) throw error
    }
    const [first, last] = [answers.at(0), answers.at(-1)].map((one) => one && seenIn(one))
    if (!last) throw new Error('a token came without an answer')
    return {
      ...{ seen: last, token },
      challenge: first?.isChallenge ? first : undefined,
      isBound: token?.dpop?.key !== undefined,
    }
  }

  return {
    /** A token with a proof of this key, or without one. Throws what happens before the request. */
    async ask(key?: ProbeKey): Promise<AskedToken> {
      const first = await attempt(key)
      if (first.token || !first.challenge) return first
      // The challenge may have used up the assertion. Now the nonce is known.
      return { ...(await attempt(key)), challenge: first.challenge }
    },
    /** The same with this nonce, and without another try. */
    askWithNonce: (key: ProbeKey, nonce: string): Promise<AskedToken> => attempt(key, nonce),
    /** What introspection answers. Undefined: the grant cannot introspect. */
    async introspect(token: Secret, key: ProbeKey): Promise<OutboundOutcome | undefined> {
      const answers: OutboundOutcome[] = []
      try {
        await grant.introspect?.(request(), token, contextWith(key, answers))
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error
      }
      return answers.at(-1)
    },
  }
}

/** Tells the reader of the answer that the request had a proof. Nothing is signed with it. */
const MARK: StoredDpopKey = { thumbprint: '', privateKey: '' }
