/** Writes a backup line by line while the service runs. */
import { type Keyring, sealedWith } from '../crypto/keyring.ts'
import type { NamedDataKeys } from '../keyring/data-keys/data-key-record.ts'
import type { Archive } from '../store/archive.ts'
import { KEPT_KINDS } from '../store/document-kinds.ts'
import { sealedIn } from '../store/record-body.ts'
import { type Page, type PageQuery, pages } from '../store/records.ts'
import { type BackupEnd, type BackupHead, FORMAT, type Section, sealName } from './format.ts'

/** Records per page, and characters per section. One record may exceed the second limit. */
const PAGE = 100
const SECTION_CHARACTERS = 512 * 1024

/** Yields lines with their ends and returns a summary. Integrations come first, so that no document belongs to a missing integration. */
export async function* writeBackup(dependencies: {
  readonly archive: Pick<Archive, 'integrations' | 'documents'>
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'seal'>
  /** Of the store. Default: none. */
  readonly dataKeys?: readonly NamedDataKeys[]
  readonly version: string
  readonly uniqueId: () => string
  readonly now: () => number
}): AsyncGenerator<string, BackupEnd['counts']> {
  const { archive, keyring, dataKeys = [], version, uniqueId, now } = dependencies
  const head: BackupHead = {
    valetkey_backup: FORMAT,
    id: uniqueId(),
    created_at: new Date(now()).toISOString(),
    version,
    sealed_with: keyring.sealingKeyId,
    ...(dataKeys.length > 0 && { data_keys: [...dataKeys] }),
  }
  const headLine = JSON.stringify(head)
  const counts: Record<string, number> = {}
  const keys = new Set<string>()
  let place = 0

  const lineOf = async (section: Section): Promise<string> => {
    place += 1
    return `${await keyring.seal(sealName(head.id, place), JSON.stringify(section))}\n`
  }
  const note = (sealed: string | undefined) => {
    const key = sealed === undefined ? undefined : sealedWith(sealed)
    if (key !== undefined) keys.add(key)
  }
  const count = (what: string, items: readonly unknown[]) => {
    counts[what] = (counts[what] ?? 0) + items.length
  }

  yield `${headLine}\n`
  for await (const items of sections((page) => archive.integrations(page))) {
    for (const { secrets, custody } of items) {
      note(secrets)
      note(custody?.token)
    }
    count('integrations', items)
    yield await lineOf({ type: 'integrations', items })
  }
  for (const kind of Object.keys(KEPT_KINDS)) {
    for await (const items of sections((page) => archive.documents(kind, page))) {
      for (const { body } of items) note(sealedIn(body))
      count(kind, items)
      yield await lineOf({ type: 'documents', kind, items })
    }
  }
  yield await lineOf({ type: 'end', head: headLine, counts, keys: [...keys] })
  return counts
}

async function* sections<Item>(read: (page: PageQuery) => Promise<Page<Item>>) {
  for await (const page of pages(read, { limit: PAGE })) {
    let items: Item[] = []
    let characters = 0
    for (const item of page.items) {
      items.push(item)
      characters += JSON.stringify(item).length
      if (characters < SECTION_CHARACTERS) continue
      yield items
      items = []
      characters = 0
    }
    if (items.length > 0) yield items
  }
}
