/** Stores leases, sealed and bound to their integration. */
import type { Keyring } from '../../crypto/keyring.ts'
import { Secret } from '../../crypto/secret.ts'
import { BrokerError } from '../../errors/errors.ts'
import { type FreezeGate, isFrozenError } from '../../freezes/freeze-gate.ts'
import type { Integration } from '../../integrations/integration.ts'
import { untilWritten } from '../../store/compare-and-set.ts'
import { bodyReader } from '../../store/record-body.ts'
import type { DocumentWrite } from '../../store/records.ts'
import type { LeaseRecord, Look, Outcomes, SaveResult } from '../../store/store.ts'
import { type Lease, LeaseBody } from './lease.ts'

export type LeaseStore = ReturnType<typeof createLeaseStore>

interface LeaseStoreDependencies {
  readonly outcomes: Pick<Outcomes, 'save'>
  readonly keyring: Keyring
  readonly freezes: Pick<FreezeGate, 'permit' | 'refresh'>
  /** Revokes a token that came after a freeze. */
  readonly endFrozen: (lease: Lease) => Promise<void>
}

const readLease = bodyReader(LeaseBody)

const sealName = ({ name, uid }: { name: string; uid: string }) => `lease:${name}:${uid}`

export function createLeaseStore({
  outcomes,
  keyring,
  freezes,
  endFrozen,
}: LeaseStoreDependencies) {
  const sealed = async (lease: Lease): Promise<LeaseRecord> => {
    const { integration: name, uid, accessToken, digest, tokenId, expiresAt } = lease
    const text = JSON.stringify({ ...lease, accessToken: accessToken.reveal() })
    const body = await keyring.seal(sealName({ name, uid }), text)
    return { body, digest, tokenId, expiresAt }
  }

  return {
    /** Seals and saves a lease, and documents with it (SAVE of the protocol). Deletes the remembered refusal. The store refuses the lease if something was frozen that this replica has not heard of, and then it is asked again. Throws `integration_frozen`; then the token is revoked, and not saved. */
    async save(
      lease: Lease,
      { integration, orev }: { readonly integration: Integration; readonly orev: number },
      dueAt: number | null,
      documents: readonly DocumentWrite[] = [],
    ): Promise<SaveResult> {
      const record = await sealed(lease)
      const change = { lease: record, refusal: null, stillLive: null, dueAt, documents }
      const { integration: name, uid } = lease
      return untilWritten('what is frozen', async () => {
        const guard = await freezes.permit(integration, lease).catch(async (error: unknown) => {
          if (isFrozenError(error)) await endFrozen(lease)
          throw error
        })
        const saved = await outcomes.save(name, { uid, orev }, { ...change, guard })
        if (saved.saved || saved.reason !== 'guard') return saved
        await freezes.refresh()
        return 'lost'
      })
    },
    /** The same for a lease of a token that was saved before, whose life is known only now. What stands beside it stays. */
    async saveLife(lease: Lease, { orev }: { readonly orev: number }): Promise<SaveResult> {
      const change = { lease: await sealed(lease), dueAt: { moveTo: lease.refreshAt } }
      return outcomes.save(lease.integration, { uid: lease.uid, orev }, change)
    },
    /** Opens the lease of a look. Throws `record_corrupt`. */
    async open({ integration }: Pick<Look, 'integration'>, record: LeaseRecord): Promise<Lease> {
      const text = await keyring.open(sealName(integration), record.body)
      const stored = readLease(text, `of the lease of integration ${integration.name}`)
      // These unsealed members decide whether it was revoked and what it was minted for, so the
      // seal binds them.
      const { digest, tokenId, expiresAt } = record
      const isOwn =
        stored.digest === digest && stored.tokenId === tokenId && stored.expiresAt === expiresAt
      if (!isOwn) {
        throw new BrokerError(
          'record_corrupt',
          `The lease of integration ${integration.name} is not the one that was sealed`,
        )
      }
      return { ...stored, accessToken: new Secret(stored.accessToken) }
    },
  }
}
