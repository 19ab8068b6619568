/** Where the pins of integrations lie: one document each, changed by compare-and-set alone. */
import type { Integration } from '../integrations/integration.ts'
import type { Documents } from '../store/store.ts'
import type { PinnedIdentity } from './identity.ts'

export interface StoredPin {
  /** Of the document; null where there is none. */
  readonly version: number | null
  /** Undefined: nothing is pinned for this integration yet. */
  readonly pin: PinnedIdentity | undefined
}

export interface PinStore {
  read(integration: Pick<Integration, 'name' | 'uid'>): Promise<StoredPin>
  /** False: another was faster. */
  write(name: string, pin: PinnedIdentity, expected: StoredPin): Promise<boolean>
}

const KIND = 'identity'

export const createPinStore = (documents: Pick<Documents, 'read' | 'write'>): PinStore => ({
  async read({ name, uid }) {
    const record = await documents.read(KIND, name)
    if (!record) return { version: null, pin: undefined }
    const pin = JSON.parse(record.body) as PinnedIdentity
    return { version: record.version, pin: pin.uid === uid ? pin : undefined }
  },
  async write(name, pin, { version }) {
    const expected = version ?? 'absent'
    return (await documents.write(KIND, name, JSON.stringify(pin), { expected })) !== undefined
  },
})
