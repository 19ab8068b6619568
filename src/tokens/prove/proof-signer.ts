/** Signs the proofs that go with a bound token. Experimental: no Salesforce org has confirmed it. */
import type { AuditLog } from '../../audit/log.ts'
import type { Principal } from '../../callers/policy.ts'
import { boundKeyOf } from '../../dpop/binding.ts'
import { athOf, type ProofSigning, signProof } from '../../dpop/proof.ts'
import { hostOf } from '../serve/instance-place.ts'
import type { Lease } from '../serve/lease.ts'
import { createLeaseTexts } from '../serve/lease-texts.ts'
import type { ProvableRequest } from './asked-request.ts'
import { createHandedBackNonces } from './handed-back-nonces.ts'
import type { ProofMeter } from './proof-meter.ts'

export type ProofSigner = ReturnType<typeof createProofSigner>

export interface ProofSignerDependencies {
  /** What the fleet knows. */
  readonly nonces: { of(thumbprint: string, host: string): string | undefined }
  /** Epoch milliseconds by the clock of a host, as far as its answers tell it. The clock of the caller does not count. */
  readonly nowAt: (host: string) => number
  readonly uniqueId: () => string
  readonly signers: ProofSigning
  readonly audit: Pick<AuditLog, 'proved'>
  readonly meter: ProofMeter
}

interface Asker {
  readonly id: string
  readonly principal: Principal
}

export interface Signed {
  /** In the order of the requests. */
  readonly proofs: readonly string[]
  /** Strict audit: resolves when the lines are written. Else undefined. */
  readonly written: Promise<void> | undefined
}

export function createProofSigner(dependencies: ProofSignerDependencies) {
  const { nonces, nowAt, uniqueId, signers, audit, meter } = dependencies
  const handedBack = createHandedBackNonces(nonces)
  const athOfLease = createLeaseTexts(({ accessToken }) => athOf(accessToken))

  /** Throws if the token is not bound. */
  const useOf = ({ id: principal }: Pick<Principal, 'id'>, lease: Lease) => {
    const key = boundKeyOf(lease)
    if (!key) throw new Error('proofs were asked for a token that is not bound')
    const { integration } = lease
    return { key, use: { principal, integration, thumbprint: key.thumbprint, host: hostOf(lease) } }
  }

  return {
    /** Remembers a nonce that the caller got from Salesforce, for its next proofs with this bound token. */
    take(principal: Pick<Principal, 'id'>, lease: Lease, nonce: string): void {
      handedBack.put(useOf(principal, lease).use, nonce)
    },
    /** Whether a nonce that the caller got from Salesforce explains a refusal: the last proof was without it. */
    explainsRefusal: handedBack.isNews,
    /** Signs now and for now: nothing is signed ahead or kept. `nonce`: what the caller got from Salesforce. `still`: throws if the caller may not have the token any more; it is asked where the key is at a signer, for which the caller waited, and the answer is a promise then. Throws `audit_unavailable`, and rejects with `signer_unavailable` and `signing_refused`. */
    sign(
      asker: Asker,
      lease: Lease,
      requests: readonly ProvableRequest[],
      nonce: string | undefined,
      still: () => Promise<void>,
    ): Signed | Promise<Signed> {
      const { key, use } = useOf(asker.principal, lease)
      const { principal, integration, host } = use
      if (nonce !== undefined) handedBack.put(use, nonce)
      const ath = athOfLease(lease)
      const known = handedBack.of(use)
      const now = () => nowAt(host)
      const lines = requests.map(({ method, path }) => ({ method, path, jti: uniqueId() }))
      const proofs = requests.map(({ method, url }, at) => {
        const jti = lines[at]?.jti ?? uniqueId()
        const request = { method, url, ath, nonce: known }
        return signProof(key, request, { now, uniqueId: () => jti, signers })
      })
      const counted = (proofs: readonly string[]): Signed => {
        const written = audit.proved(asker, integration, lease.tokenId, lines)
        for (const { method, path } of requests) meter.signed(principal, lease, { method, path })
        return { proofs, written }
      }
      if (areHere(proofs)) return counted(proofs)
      return Promise.all(proofs).then(async (made) => {
        await still()
        return counted(made)
      })
    },
  }
}

const areHere = (proofs: readonly (string | Promise<string>)[]): proofs is readonly string[] =>
  proofs.every((proof) => typeof proof === 'string')
