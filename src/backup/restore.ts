/** Writes a backup into a store, after it has verified the complete backup. */

import { integrationOf } from '../integrations/integration-store.ts'
import type { Log } from '../runtime/runtime.ts'
import { RESTORED_PREFIX } from '../store/custody-age.ts'
import { KEPT_KINDS } from '../store/document-kinds.ts'
import { isCorrupt } from '../store/integrity/record-schema.ts'
import { writeIntegrityNote } from '../store/integrity/store-watch.ts'
import { type Page, type PageQuery, pages } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { createSingleFlight } from '../tokens/mint/single-flight.ts'
import { BackupError } from './backup-error.ts'
import type { BackupEnd, BackupHead } from './format.ts'
import { type BackupKeyring, type Content, readBackup } from './reader.ts'

export interface Verified {
  readonly head: BackupHead
  readonly counts: BackupEnd['counts']
}

type Lines = () => AsyncGenerator<string>

/** Reads the complete backup. Throws `refused`. */
export async function verifyBackup(lines: Lines, keyring: BackupKeyring): Promise<Verified> {
  const { head, sections } = await readBackup(lines(), keyring)
  const content = sections()
  let next = await content.next()
  while (!next.done) {
    requireReadable(next.value)
    next = await content.next()
  }
  return { head, counts: next.value.counts }
}

type RestoredStore = Pick<
  Store,
  'archive' | 'custody' | 'documents' | 'identity' | 'integrations' | 'locks' | 'now'
>

interface RestoreDependencies {
  readonly store: RestoredStore
  readonly keyring: BackupKeyring
  readonly lines: Lines
  readonly uniqueId: () => string
  readonly log: Pick<Log, 'warn'>
}

const LOCK = 'restore'
/** A refresh token cannot have been presented later than the backup was made, and every presentation of that time has ended. */
const LOOK_IN_MS = 60_000

/** A replica that serves tokens from memory counts them, also into a store that was just wiped. */
const COUNTED_KIND: keyof typeof KEPT_KINDS = 'callers'

/** Whether a restore replaces nothing but counts of running replicas. */
export async function isEmpty({ archive }: Pick<Store, 'archive'>): Promise<boolean> {
  const isNone = async (page: Promise<Page<unknown>>) => {
    const { items, corrupt = [] } = await page
    return items.length + corrupt.length === 0
  }
  if (!(await isNone(archive.integrations({ limit: 1 })))) return false
  for (const kind of Object.keys(KEPT_KINDS)) {
    if (kind === COUNTED_KIND) continue
    if (!(await isNone(archive.documents(kind, { limit: 1 })))) return false
  }
  return true
}

/**
 * Replaces the content of the store by the backup. During the restore the store is marked as reset,
 * so that running replicas answer `store_reset` instead of `integration_not_found`; an aborted
 * restore leaves this mark. At the end the store is accepted and vouched for. A restore can be
 * repeated, but two concurrent ones would remove each other's records, so the second one throws
 * `unavailable`.
 */
export async function restoreBackup(dependencies: RestoreDependencies): Promise<void> {
  const { store, uniqueId, log } = dependencies
  const { underLock } = createSingleFlight({ locks: store.locks, uniqueId, log })
  if (await underLock(LOCK, () => replaceAll(dependencies))) return
  const message = 'another restore into this store is in progress, or was aborted seconds ago'
  throw new BackupError('unavailable', message)
}

async function replaceAll(dependencies: RestoreDependencies): Promise<void> {
  const { store, keyring, lines, uniqueId } = dependencies
  const { archive } = store
  const { sections } = await readBackup(lines(), keyring)
  await writeIntegrityNote(store, 'wiped')
  const names = new Set<string>()
  const ids = new Map<string, Set<string>>()
  const custody = { id: `${RESTORED_PREFIX}${uniqueId()}`, lookInMs: LOOK_IN_MS }
  for await (const section of sections()) {
    if (section.type === 'integrations') {
      await archive.putIntegrations(section.items, custody)
      for (const { name } of section.items) names.add(name)
    } else {
      const { kind, items } = section
      await archive.putDocuments(kind, items)
      const known = ids.get(kind) ?? new Set<string>()
      for (const { id } of items) known.add(id)
      ids.set(kind, known)
    }
  }
  await removeOthers(store, names, ids)
  // Existing custody data has the same age as the rest, if nobody vouched for it.
  const { run, knownRun } = await store.custody.age()
  const all = knownRun !== null && knownRun !== run
  await store.custody.takeForRestored({ ...custody, all, forAnyRun: true })
  await writeIntegrityNote(store, 'accepted')
}

async function removeOthers(
  { archive, integrations }: RestoredStore,
  names: ReadonlySet<string>,
  ids: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<void> {
  const surplus = all(
    (page) => integrations.list(page),
    (record) => record.name,
  )
  for await (const name of surplus) {
    if (!names.has(name)) await archive.eraseIntegration(name)
  }
  for (const kind of Object.keys(KEPT_KINDS)) {
    const found = all(
      (page) => archive.documents(kind, page),
      (record) => record.id,
    )
    for await (const id of found) {
      if (!ids.get(kind)?.has(id)) await archive.eraseDocument(kind, id)
    }
  }
}

/** All names, including records that do not verify. */
async function* all<Item>(
  read: (page: PageQuery) => Promise<Page<Item>>,
  nameOf: (item: Item) => string,
): AsyncGenerator<string> {
  for await (const { items, corrupt = [] } of pages(read)) {
    yield* items.map(nameOf)
    yield* corrupt
  }
}

/** Refuses a record of a newer release. A corrupt record is restored as it is. */
function requireReadable(section: Content): void {
  if (section.type !== 'integrations') return
  for (const { custody: _, secrets: __, ...record } of section.items) {
    try {
      integrationOf({ ...record, rev: 0, orev: 0 })
    } catch (cause) {
      if (isCorrupt(cause)) continue
      const message = `the integration ${record.name} was written by a newer release: use that release`
      throw new BackupError('refused', message, { cause })
    }
  }
}
