/** The tokens of frozen integrations, as the freezes see them. `src/tokens/revoke` ends them. */
import type { Actor } from '../audit/event.ts'
import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'

/** A token that waits until Salesforce has ended it. */
export interface WaitingToken {
  /** Id of the freeze that found it. */
  readonly freeze: string
  readonly tokenId: string
  readonly integration: string | null
  /** The code of the last failure. Null: it was not tried yet. */
  readonly reason: string | null
  readonly tries: number
  /** Epoch milliseconds. */
  readonly nextAt: number
}

/** A token that is in the queue of revocations, and still the lease of its integrations. */
interface HeldToken {
  readonly tokenId: string
  readonly expiresAt: number
  /** False: who issued it is unknown, so it can be dropped here only. */
  readonly isQueued: boolean
}

interface HeldRefreshToken {
  readonly integration: string
  readonly token: Secret
  readonly dpopKey?: StoredDpopKey
}

export interface FrozenTokens {
  /** Queues the token of an integration for revocation, so that a crash does not lose it. Undefined: it has none. May be repeated. */
  hold(name: string, freeze: string): Promise<HeldToken | undefined>
  /** The same for the refresh token of a connection. Returns its id. */
  holdRefreshToken(loginUrl: string, of: HeldRefreshToken, freeze: string): Promise<string>
  /** Drops it from every integration that holds it. Audits it. */
  drop(held: HeldToken, by: Actor): Promise<void>
  /** What is in the queue. */
  waiting(): AsyncIterable<WaitingToken>
  /** Lets the queue begin at once. */
  wake(): void
}
