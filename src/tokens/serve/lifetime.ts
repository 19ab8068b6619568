/** Learns from Salesforce how long a token lives, where the answer that brought it did not say. */
import type { Secret } from '../../crypto/secret.ts'
import type { MaybeBound } from '../../dpop/binding.ts'
import type { StoredDpopKey } from '../../dpop/dpop-key.ts'
import type { GrantContext, GrantRequest } from '../../grants/grant.ts'
import { grantOf } from '../../grants/index.ts'
import { refusalWordsOf } from '../../grants/refusals/rest-refusal.ts'
import type { Introspection } from '../../grants/token-endpoint/token-answer.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Log } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import { configuredExpiry, type Expiry, type LeaseProof } from './lease.ts'

/** A token as it was issued. */
interface IssuedToken extends MaybeBound {
  readonly accessToken: Secret
  readonly instanceUrl: string
  readonly mintedAt: number
}

interface LifetimesDependencies {
  /** By the clock of the login host. */
  readonly contextOf: (integration: Integration, dpopKey: StoredDpopKey | undefined) => GrantContext
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** One call to Salesforce, in milliseconds. */
const CALL_MS = 4_000

export function createLifetimes({ contextOf, log }: LifetimesDependencies) {
  /** Undefined: Salesforce cannot tell, or cannot tell now. */
  const introspect = async (
    integration: Integration,
    requestOf: (signal: AbortSignal) => GrantRequest,
    { accessToken, dpop }: IssuedToken,
    ended: AbortSignal | undefined,
  ): Promise<Introspection | undefined> => {
    const ask = grantOf(integration.grant.type).introspect
    if (!ask) return undefined
    const context = contextOf(integration, dpop?.key)
    try {
      return await within(CALL_MS, async (signal) => ask(requestOf(signal), accessToken, context), {
        signal: ended,
      })
    } catch (error) {
      log.info({ err: error, integration: integration.name }, 'the token cannot be introspected')
      return undefined
    }
  }

  /** Makes one REST call, which proves the token and extends its session. */
  const probe = async (
    integration: Integration,
    { instanceUrl, accessToken, dpop }: IssuedToken,
    ended: AbortSignal | undefined,
  ): Promise<LeaseProof> => {
    const { name } = integration
    const { endpoint } = contextOf(integration, dpop?.key)
    try {
      const result = await within(
        CALL_MS,
        (signal) => endpoint.probe({ instanceUrl, accessToken, signal }),
        { signal: ended },
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

  return {
    /** Introspects the token once. Where that gives no end: half of the configured lifetime, after a proof. Undefined: the token is dead. */
    async learn(
      integration: Integration,
      requestOf: (signal: AbortSignal) => GrantRequest,
      token: IssuedToken,
      signal?: AbortSignal,
    ): Promise<(Expiry & { readonly proof?: LeaseProof }) | undefined> {
      const introspected = await introspect(integration, requestOf, token, signal)
      if (introspected?.active === false) return undefined
      if (introspected?.expiresAt !== undefined) {
        return { expiresAt: introspected.expiresAt, source: 'introspection' }
      }
      const proof = await probe(integration, token, signal)
      if (proof === 'dead') return undefined
      return { ...configuredExpiry(token.mintedAt, integration.tokenLifetime), proof }
    },
  }
}
