/** The request of a gateway that needs a proof, because its token is bound. Experimental. */
import type { Principal } from '../callers/policy.ts'
import type { SeenRequest } from '../callers/request-pattern.ts'
import { tokenBound } from '../dpop/binding.ts'
import { BrokerError } from '../errors/errors.ts'
import { type ProvableRequest, provableAt } from '../tokens/prove/asked-request.ts'
import type { ProofPermission } from '../tokens/prove/proof-permission.ts'
import type { Broker } from '../tokens/serve/broker.ts'
import { originOf } from '../tokens/serve/instance-place.ts'
import type { Lease } from '../tokens/serve/lease.ts'

interface ProvenRequestDependencies {
  readonly permission: Pick<ProofPermission, 'permit'>
  readonly broker: Pick<Broker, 'requireStill'>
}

const PERMISSION = 'tokens:read'

/**
 * What is signed for the one request that a sub-request names. The permission is `tokens:read` with
 * `requests`, as for all that passes this door, and by the stricter rules of proofs. Throws
 * `request_not_allowed`; `token_bound` for a principal without `requests`; `caller_forbidden`.
 */
export function provenRequest(
  principal: Principal,
  lease: Lease,
  seen: readonly SeenRequest[],
  { permission, broker }: ProvenRequestDependencies,
): ProvableRequest {
  const { integration } = lease
  const [first] = seen
  const isOne = seen.every(
    ({ method, target }) => method === first?.method && target === first.target,
  )
  const asked = first && isOne ? [first] : []
  const prover = permission.permit(principal, {
    ...{ permission: PERMISSION, name: integration, requests: asked },
    none: () => tokenBound(integration),
    nameOf: () => 'The request',
  })
  if (!first || !isOne) {
    throw new BrokerError(
      'request_not_allowed',
      'The token works with a proof for one request, so the gateway must name exactly one: its method, and its path as Salesforce gets it',
    )
  }
  broker.requireStill(integration, prover)
  return provableAt(originOf(lease), first)
}
