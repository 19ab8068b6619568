/**
 * Makes the keyring of a process: keys of the setting as they are, and data keys of the store.
 *
 * 1. It reads the document `data-key` of the name. This has no code, because there is no key yet that
 *    could prove it. What proves it is the wrapping, which is bound to the name and to the id of the key.
 * 2. If there is none, it makes a key, wraps it, unwraps it once, and creates the document by
 *    compare-and-set. Whoever loses uses the document of the winner.
 * 3. It unwraps every key of the document. The first one seals.
 */
import { createKeyring, type Keyring, newSealingKey } from '../../crypto/keyring.ts'
import { isOutside, type KeyringEntry, outsideText } from '../../crypto/keyring-text.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { Wrapper, Wrappers } from '../../signers/wrapping/wrapping.ts'
import type { Documents } from '../../store/store.ts'
import {
  DATA_KEYS,
  type DataKey,
  type DataKeysBody,
  unwrapped,
  wrapped,
} from './data-key-record.ts'

type WrappedDocuments = Pick<Documents, 'read' | 'write'>

export interface OpenedKeyring {
  readonly keyring: Keyring
  /** Empty: the setting names no keys outside. */
  readonly dataKeys: readonly DataKey[]
}

interface OpenKeyringDependencies {
  readonly entries: readonly KeyringEntry[]
  readonly wrappers: Pick<Wrappers, 'byName'>
  /** Of the engine. The text of a data key proves itself. */
  readonly documents: WrappedDocuments
  readonly now: () => number
  /** Whether to make a data key where a name has none. Of all processes that make one at once, one wins. */
  readonly makes: boolean
}

/** Throws `signer_unavailable`, `signing_refused`, `store_unavailable`, `record_corrupt`. The same call may succeed later. */
export async function openKeyring(dependencies: OpenKeyringDependencies): Promise<OpenedKeyring> {
  const { entries, wrappers, documents, now, makes } = dependencies
  const dataKeys: DataKey[] = []
  const keys: { readonly id: string; readonly key: Uint8Array }[] = []
  for (const entry of entries) {
    if (!isOutside(entry)) {
      keys.push(entry)
      continue
    }
    const wrapper = wrappers.byName.get(entry.name)
    if (!wrapper) throw new TypeError(`There is nothing that wraps for ${outsideText(entry)}`)
    if (makes) await makeIfNone(wrapper, documents, now)
    const stored = await DATA_KEYS.read(documents, entry.name)
    const opened = await unwrapAll(wrapper, stored?.body)
    dataKeys.push(...opened)
    keys.push(...opened.map(({ key, record: { id } }) => ({ id, key })))
  }
  if (keys.length === 0) throw none(entries)
  return { keyring: createKeyring(unique(keys)), dataKeys }
}

/** The data keys of one name. The first one must open; another one that is refused is left out, and is told of by the watch. */
async function unwrapAll(
  wrapper: Wrapper,
  body: DataKeysBody | undefined,
): Promise<readonly DataKey[]> {
  const opened: DataKey[] = []
  for (const [at, record] of (body?.keys ?? []).entries()) {
    try {
      opened.push(await unwrapped(wrapper, record))
    } catch (error) {
      const isRefused = error instanceof BrokerError && error.code === 'signing_refused'
      if (!isRefused || at === 0) throw error
    }
  }
  return opened
}

async function makeIfNone(
  wrapper: Wrapper,
  documents: WrappedDocuments,
  now: () => number,
): Promise<void> {
  const { name } = wrapper
  if (await DATA_KEYS.read(documents, name)) return
  const made = newSealingKey(now())
  const record = await wrapped(wrapper, made, now())
  await DATA_KEYS.claim(documents, name, { keys: [record] }, { expected: 'absent' })
}

function unique<Key extends { readonly id: string }>(keys: readonly Key[]): readonly Key[] {
  return keys.filter(({ id }, at) => keys.findIndex((other) => other.id === id) === at)
}

const none = (entries: readonly KeyringEntry[]): BrokerError => {
  const names = entries.filter(isOutside).map(outsideText).join(', ')
  return new BrokerError('record_corrupt', `There is no data key of ${names}`, {
    remedy:
      'Start the service once with this keyring. For a backup, append the key that sealed it to VALETKEY_KEYRING.',
  })
}
