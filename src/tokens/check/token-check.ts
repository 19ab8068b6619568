/** Explains why a token does not work for a caller: uses the token itself, and compares the result with what the caller saw. */
import { BrokerError } from '../../errors/errors.ts'
import { grantOf } from '../../grants/index.ts'
import { type RestSight, sightOf } from '../../grants/org-api/rest-sight.ts'
import type { TokenEndpoint } from '../../grants/token-endpoint/token-endpoint.ts'
import type { Integration } from '../../integrations/integration.ts'
import { within } from '../../runtime/timeout.ts'
import type { Lease } from '../serve/lease.ts'
import { type CallersSight, type Finding, findingOf } from './difference.ts'

export interface TokenCheck extends Finding {
  readonly lease: Lease
  /** Result from this service. */
  readonly here: RestSight
}

/** Throws `grant_unfit` if tokens of the integration do not work with the REST API. */
export type CheckToken = (
  integration: Integration,
  lease: Lease,
  there: CallersSight,
) => Promise<TokenCheck>

interface TokenCheckDependencies {
  readonly endpoint: Pick<TokenEndpoint, 'probe'>
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
}

const PROBE_MS = 5_000
/** A result is reused for this time, because each check costs an API call of the org. */
const KEPT_MS = 10_000
const REMEMBERED = 1_000

export function createTokenCheck({ endpoint, monotonic }: TokenCheckDependencies): CheckToken {
  const sights = new Map<string, { readonly at: number; readonly sight: Promise<RestSight> }>()

  const sightFrom = ({ tokenId, instanceUrl, accessToken, dpop }: Lease): Promise<RestSight> => {
    const known = sights.get(tokenId)
    if (known && monotonic() - known.at < KEPT_MS) return known.sight
    const caller = { instanceUrl, accessToken, dpopKey: dpop?.key }
    const probe = (signal: AbortSignal) => endpoint.probe({ ...caller, signal })
    const sight = sightOf(within(PROBE_MS, probe))
    if (sights.size >= REMEMBERED) sights.clear()
    sights.set(tokenId, { at: monotonic(), sight })
    return sight
  }

  return async ({ grant }, lease, there) => {
    const isForRest = grantOf(grant.type).opensRestApi?.(grant) ?? true
    if (!isForRest) {
      throw new BrokerError(
        'grant_unfit',
        'Its tokens are not valid for the REST API, which the check uses',
      )
    }
    const here = await sightFrom(lease)
    const { tokenId, instanceUrl, scope } = lease
    const instanceHost = new URL(instanceUrl).host
    return { lease, here, ...findingOf(there, here, { tokenId, instanceHost, scope }) }
  }
}
