/** Whether a caller may have proofs for the requests that it names, and why not. */
import type { Permission, Principal } from '../../callers/policy.ts'
import { provingBy } from '../../callers/proof-policy.ts'
import type { SeenRequest } from '../../callers/request-pattern.ts'
import { BrokerError } from '../../errors/errors.ts'
import { originOf } from '../serve/instance-place.ts'
import type { Lease } from '../serve/lease.ts'
import type { Entry } from '../serve/lease-cache.ts'
import {
  type AskedRequest,
  type ProvableRequest,
  provableAt,
  splitRequest,
} from './asked-request.ts'
import { PROOF_REFUSALS, type ProofMeter, type ProofRefusal } from './proof-meter.ts'

export type ProofPermission = ReturnType<typeof createProofPermission>

/** A request, and the origin that it goes to. */
type Placed = SeenRequest & { readonly origin: string }

interface AskedProofs {
  readonly permission: Permission
  readonly name: string
  readonly requests: readonly SeenRequest[]
  /** The error for a principal that has the permission for no request at all. */
  readonly none: () => BrokerError
  /** The request at this place, as the problem calls it. */
  readonly nameOf: (at: number) => string
}

/** Returns the principal for the time of these requests. Throws unless one permit with `requests` permits a proof for each of them. Labels are not looked at. */
type PermitProofs = (principal: Principal, asked: AskedProofs) => Principal

interface Permitted {
  /** For the time of these requests. */
  readonly prover: Principal
  readonly placed: readonly Placed[]
}

export interface ProofPermissionDependencies {
  /** An integration in memory. */
  readonly known: (name: string) => Pick<Entry, 'integration'> | undefined
  readonly meter: Pick<ProofMeter, 'refused'>
}

export function createProofPermission({ known, meter }: ProofPermissionDependencies) {
  const refuse = (principal: Principal, refusal: ProofRefusal, at: number, lease?: Lease) => {
    meter.refused(principal.id, refusal)
    const where = lease ? ` (${originOf(lease)})` : ''
    return notAllowed(`body/requests/${at} ${PROOF_REFUSALS[refusal]}${where}`)
  }

  const permit: PermitProofs = (principal, { permission, name, requests, none, nameOf }) => {
    const found = provingBy(principal, permission, name, requests)
    if (found === 'forbidden') throw none()
    if ('prover' in found) return found.prover
    const { at, refusal } = found
    const request = requests[at]
    const integration = known(name)?.integration
    const of =
      request && integration && refusal !== 'ambiguous'
        ? {
            method: request.method,
            path: provableAt('', request).path,
            lease: { integration: name, uid: integration.uid },
          }
        : undefined
    meter.refused(principal.id, refusal, of)
    throw notAllowed(`${nameOf(at)} ${PROOF_REFUSALS[refusal]}`)
  }

  return {
    permit,
    /** Before anything is looked up. Throws `request_not_allowed`, `caller_forbidden`. */
    require(principal: Principal, name: string, requests: readonly AskedRequest[]): Permitted {
      const placed = requests.map((request, at) => {
        const split = splitRequest(request)
        if (!split) throw refuse(principal, 'url', at)
        return split
      })
      const prover = permit(principal, {
        ...{ permission: 'tokens:prove', name, requests: placed },
        none: forbidden,
        nameOf: (at) => `body/requests/${at}`,
      })
      return { prover, placed }
    },
    /** Throws `request_not_allowed` if one goes elsewhere than to the instance of the lease. */
    requireAt(
      principal: Principal,
      lease: Lease,
      requests: readonly Placed[],
    ): readonly ProvableRequest[] {
      const origin = originOf(lease)
      return requests.map((request, at) => {
        if (request.origin !== origin) throw refuse(principal, 'host', at, lease)
        return provableAt(origin, request)
      })
    },
  }
}

const forbidden = () =>
  new BrokerError('caller_forbidden', 'You may not have proofs for this integration')

const notAllowed = (detail: string) => new BrokerError('request_not_allowed', detail)
