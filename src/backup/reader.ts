/** Reads and verifies a backup. */
import type { Keyring } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import { BackupError } from './backup-error.ts'
import {
  type BackupEnd,
  type BackupHead,
  newerRelease,
  parseHead,
  readSection,
  type Section,
  sealName,
} from './format.ts'

export type Content = Exclude<Section, BackupEnd>

interface ReadBackup {
  readonly head: BackupHead
  /** Throws `refused` if the backup is not complete. Its sections must then not be used. */
  sections(): AsyncGenerator<Content, BackupEnd>
}

export type BackupKeyring = Pick<Keyring, 'keyIds' | 'open'>

/** `lines` without their ends. Throws `refused`. */
export async function readBackup(
  lines: AsyncIterator<string>,
  keyring: BackupKeyring,
): Promise<ReadBackup> {
  const first = await lines.next()
  if (first.done) throw new BackupError('refused', 'the file is empty')
  const headLine = first.value
  const head = parseHead(headLine)
  requireKeys(keyring, [head.sealed_with])

  const open = async (line: string, place: number): Promise<Section> => {
    try {
      return readSection(await keyring.open(sealName(head.id, place), line), `line ${place + 1}`)
    } catch (cause) {
      if (cause instanceof BrokerError && cause.code === 'another_version')
        throw newerRelease(cause)
      const message = `line ${place + 1} was altered or cut, or the key with the id ${head.sealed_with} has changed`
      throw new BackupError('refused', message, { cause })
    }
  }

  return {
    head,
    async *sections() {
      const counts: Record<string, number> = {}
      for (let place = 1; ; place += 1) {
        const { done, value: line } = await lines.next()
        if (done) throw new BackupError('refused', 'the backup is truncated: its end is missing')
        const section = await open(line, place)
        if (section.type === 'end') {
          check(section, headLine, counts)
          if (!(await lines.next()).done) {
            throw new BackupError('refused', 'data was appended to the backup')
          }
          requireKeys(keyring, section.keys)
          return section
        }
        const what = section.type === 'integrations' ? 'integrations' : section.kind
        counts[what] = (counts[what] ?? 0) + section.items.length
        yield section
      }
    },
  }
}

function check(end: BackupEnd, headLine: string, counts: Readonly<Record<string, number>>): void {
  if (end.head !== headLine) {
    throw new BackupError('refused', 'the first line of the backup was altered')
  }
  const isWhole =
    Object.keys(end.counts).length === Object.keys(counts).length &&
    Object.entries(end.counts).every(([what, count]) => counts[what] === count)
  if (!isWhole)
    throw new BackupError('refused', 'the content of the backup does not match its counts')
}

function requireKeys({ keyIds }: BackupKeyring, ids: readonly string[]): void {
  const missing = ids.filter((id) => !keyIds.includes(id))
  if (missing.length === 0) return
  const message = `the keyring lacks ${missing.join(', ')}, which seals the backup or its records: append that key to VALETKEY_KEYRING`
  throw new BackupError('refused', message)
}
