/** `POST /tokens/{integration}/proofs`: a bound token, with a proof for each request. */
import { type Asking, type Gate, requireReader } from '../../callers/index.ts'
import type { Principal } from '../../callers/policy.ts'
import { notProving, provingBy } from '../../callers/proof-policy.ts'
import { isBound } from '../../dpop/binding.ts'
import { BrokerError } from '../../errors/errors.ts'
import { operation } from '../../http/openapi/operation.ts'
import { problems } from '../../http/problems/problem.ts'
import type { Server } from '../../http/server/server.ts'
import { MINT_PROBLEMS } from '../mint/mint-problems.ts'
import type { Served } from '../serve/broker.ts'
import type { Lease } from '../serve/lease.ts'
import { createLeaseTexts } from '../serve/lease-texts.ts'
import type { HandOut } from '../serve/routes.ts'
import { TokenParams } from '../serve/schemas.ts'
import { secondsLeft } from '../serve/token-view.ts'
import { type AskedRequest, type ProvableRequest, splitRequest } from './asked-request.ts'
import type { ProofPermission } from './proof-permission.ts'
import type { ProofSigner, Signed } from './proof-signer.ts'
import { ProofBody, Proofs } from './schemas.ts'

interface ProofRouteDependencies {
  /** With {@link identifyProver}. */
  readonly handOut: HandOut
  readonly gate: Pick<Gate, 'identify'>
  /** Called when a caller authenticated on this connection. */
  readonly trust: Parameters<typeof requireReader>[2] & {}
  readonly permission: ProofPermission
  readonly signer: ProofSigner
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** Registered outside the guard: a POST that changes nothing is not confirmed by the store. */
export async function registerProofRoutes(
  server: Server,
  { handOut, gate, trust, permission, signer }: ProofRouteDependencies,
): Promise<void> {
  await server.register(async (plain) => {
    const scope = plain as Server
    requireReader(scope, gate, trust)
    scope.post(
      '/tokens/:integration/proofs',
      operation('proveRequests', 'tokens', {
        summary: 'A token that is bound to a key of this service, with a proof for each request',
        description:
          'Experimental. Needs `tokens:prove` with `requests`, and each request must be one of them. For integrations with `"dpop": {"mode": "on"}`. A proof is for one request, now: ask again for each try. All requests are permitted, or none is signed.',
        params: TokenParams,
        body: ProofBody,
        response: {
          200: Proofs,
          ...problems(
            ...MINT_PROBLEMS,
            'token_still_live',
            'request_not_allowed',
            'nothing_to_prove',
          ),
        },
      }),
      (request, reply) => {
        const { integration } = request.params
        const { requests, rejected, nonce } = request.body
        const asker = { id: request.id, principal: request.principal }
        const { prover, placed } = permission.require(asker.principal, integration, requests)
        request.principal = prover
        let provable: readonly ProvableRequest[] = []
        const admit = ({ lease }: Served) => {
          if (!isBound(lease)) throw unbound(integration)
          provable = permission.requireAt(asker.principal, lease, placed)
        }
        const write: Parameters<HandOut>[3] = (reply, { lease }, at, still) => {
          reply.header('content-type', JSON_TYPE)
          const isReplaced = rejected !== undefined && lease.tokenId !== rejected
          // The login of the other token brought a newer nonce.
          const given = isReplaced ? undefined : nonce
          const respond = ({ proofs, written }: Signed) => {
            const text = proofsText(lease, proofs, at)
            return written ? written.then(() => text) : text
          }
          const signed = signer.sign(asker, lease, provable, given, still)
          return signed instanceof Promise ? signed.then(respond) : respond(signed)
        }
        const wanted = { integration, ...(rejected !== undefined && { rejected }) }
        return handOut(request, reply, wanted, write, admit)
      },
    )
  })
}

/** A caller that waited is authenticated again, for the same requests. */
export const identifyProver =
  (gate: Pick<Gate, 'identify'>) =>
  async (request: Asking): Promise<Principal> => {
    const { integration } = request.params as { readonly integration: string }
    const { requests } = request.body as { readonly requests: readonly AskedRequest[] }
    const asked = requests.map(splitRequest).filter((split) => split !== undefined)
    const principal = await gate.identify(request)
    const found = provingBy(principal, 'tokens:prove', integration, asked)
    return typeof found === 'object' && 'prover' in found ? found.prover : notProving(principal)
  }

const unbound = (integration: string) =>
  new BrokerError(
    'nothing_to_prove',
    `Salesforce bound the token of ${integration} to no key, so there is nothing to prove`,
  )

const beginningOf = createLeaseTexts(
  (lease) => `${JSON.stringify(constantOf(lease)).slice(0, -1)},"expires_in":`,
)

/** JSON of `Proofs`. A proof has no character that JSON escapes. */
function proofsText(lease: Lease, proofs: readonly string[], at: number): string {
  const list = proofs.length === 0 ? '[]' : `["${proofs.join('","')}"]`
  return `${beginningOf(lease)}${secondsLeft(lease, at)},"proofs":${list}}`
}

const constantOf = (lease: Lease): Omit<Proofs, 'expires_in' | 'proofs'> => ({
  integration: lease.integration,
  token_type: 'DPoP',
  access_token: lease.accessToken.reveal(),
  token_id: lease.tokenId,
  instance_url: lease.instanceUrl,
})
