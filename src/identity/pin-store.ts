/** Stores pins: one document per integration, written only by compare-and-set. */
import type { Integration } from '../integrations/integration.ts'
import { documentKind } from '../store/documents.ts'
import type { DocumentWrite } from '../store/records.ts'
import type { Documents } from '../store/store.ts'
import { PinnedIdentity } from './identity.ts'

export interface StoredPin {
  /** Version of the document; null if there is none. */
  readonly version: number | null
  /** Undefined: no identity is pinned. */
  readonly pin: PinnedIdentity | undefined
}

export type PinStore = ReturnType<typeof createPinStore>

const PINS = documentKind({ kind: 'identity', schema: PinnedIdentity })

export const createPinStore = (documents: Pick<Documents, 'read' | 'write'>) => ({
  async read({ name, uid }: Pick<Integration, 'name' | 'uid'>): Promise<StoredPin> {
    const stored = await PINS.read(documents, name)
    const pin = stored?.body.uid === uid ? stored.body : undefined
    return { version: stored?.version ?? null, pin }
  },
  /** False: another writer was first. */
  async write(name: string, pin: PinnedIdentity, { version }: StoredPin): Promise<boolean> {
    const expected = version ?? 'absent'
    return (await PINS.claim(documents, name, pin, { expected })) !== undefined
  },
  /** The same write, for a save of the lease. */
  within: (name: string, pin: PinnedIdentity, { version }: StoredPin): DocumentWrite =>
    PINS.within(name, pin, version ?? 'absent'),
})
