/** Finds the lease of a token that somebody shows who need not be a caller. A stranger makes the store read 20 times a minute, and then memory is asked alone. */
import type { Throttle } from '../callers/authentication/throttle.ts'
import { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'
import type { HeldLeases } from '../tokens/serve/held-leases.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { type DoorRequest, integrationInUrl } from './door-scope.ts'

/** Counts those who show what nobody knows, together with failed authentications. */
export type Strangers = Pick<Throttle, 'isBlocked' | 'failed'>

export interface ShownTokens {
  /** Undefined: no integration holds it, or the one in the URL does not. Rejects with `store_unavailable`. */
  leaseOf(request: DoorRequest, token: string): Promise<Lease | undefined>
  /** The token is unknown, and nothing else authenticates who shows it. Never rejects. */
  countStranger(request: DoorRequest): Promise<void>
}

export function createShownTokens(dependencies: {
  readonly held: Pick<HeldLeases, 'of' | 'inMemory'>
  readonly strangers: Strangers
}): ShownTokens {
  const { held, strangers } = dependencies
  return {
    async leaseOf(request, token) {
      const shown = { token: new Secret(token), name: integrationInUrl(request) }
      return strangers.isBlocked(request.ip) ? held.inMemory(shown) : held.of(shown)
    },
    async countStranger({ ip }) {
      // The answer is the same, so only the count matters.
      await strangers.failed(ip, new BrokerError('caller_unauthenticated', 'The token is unknown'))
    },
  }
}
