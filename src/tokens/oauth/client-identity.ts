/** Authenticates an OAuth client: the API key, or a JWT of a configured issuer, stands where the client secret stood. */
import { idOfApiKey } from '../../callers/api-key.ts'
import type { Gate } from '../../callers/index.ts'
import type { Principal } from '../../callers/policy.ts'
import { BrokerError } from '../../errors/errors.ts'

type Request = Parameters<Gate['identifyBearer']>[0]

/** What a client proves itself with. */
export type CallerProof =
  /** `id`: the id of the key. Absent: the client has no place for it. */
  | { readonly kind: 'secret'; readonly id?: string | undefined; readonly secret: string }
  /** A JWT of a configured issuer. */
  | { readonly kind: 'jwt'; readonly assertion: string }
  /** What stood after `Bearer`: any credential. */
  | { readonly kind: 'bearer'; readonly bearer: string }

/** Undefined: the request has no readable proof. Rejects with `caller_unauthenticated`, or as the gate does. A remembered client comes without a promise. */
export type IdentifyClient = (
  request: Request,
  proof: CallerProof | undefined,
) => Principal | Promise<Principal>

/** The client id of the admin key. */
const ADMIN = 'admin'
const JWT = /^[^.]+\.[^.]+\.[^.]+$/

export function createClientIdentity(gate: Pick<Gate, 'identifyBearer'>): IdentifyClient {
  return (request, proof) => {
    // An empty bearer always fails, so that a malformed credential also counts as a failure.
    const found = gate.identifyBearer(request, proof === undefined ? '' : bearerIn(proof))
    return found instanceof Promise
      ? found.then((principal) => checked(principal, proof))
      : checked(found, proof)
  }
}

/** Of proofs that a client repeats. */
const bearers = new WeakMap<CallerProof, string>()

/** Empty: it is malformed. */
function bearerIn(proof: CallerProof): string {
  const known = bearers.get(proof)
  if (known !== undefined) return known
  const bearer = readBearer(proof)
  bearers.set(proof, bearer)
  return bearer
}

function readBearer(proof: CallerProof): string {
  if (proof.kind === 'bearer') return proof.bearer
  if (proof.kind === 'jwt') return JWT.test(proof.assertion) ? proof.assertion : ''
  const { id, secret } = proof
  const keyId = idOfApiKey(secret)
  const isWellFormed = id === ADMIN || (keyId !== undefined && (id ?? keyId) === keyId)
  return isWellFormed ? secret : ''
}

function checked(principal: Principal, proof: CallerProof | undefined): Principal {
  if (proof?.kind === 'bearer' || principal.kind === kindOf(proof)) return principal
  throw new BrokerError('caller_unauthenticated', 'The client id is not that of the secret')
}

function kindOf(proof: CallerProof | undefined): Principal['kind'] | undefined {
  if (proof?.kind === 'secret') return proof.id === ADMIN ? 'admin' : 'api_key'
  return proof?.kind === 'jwt' ? proof.kind : undefined
}
