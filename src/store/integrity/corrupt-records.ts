/** Unusable records that this replica found. Each is logged and counted once, until it is usable again. */
import type { Log } from '../../runtime/runtime.ts'

/** Why a record is not used. */
export const CORRUPTIONS = {
  mac_wrong: 'it was changed, or was written for another name, by somebody without the keyring',
  no_mac: 'nothing proves it: an older release wrote it, or somebody without the keyring',
  key_unknown: 'the key that proves it is not in the keyring',
  rolled_back: 'it is an older version than this replica has seen, or was removed before',
  unreadable: 'it is not in the form that this release writes',
} as const

export type Corruption = keyof typeof CORRUPTIONS

export interface CorruptRecord {
  readonly kind: string
  readonly name: string
  readonly why: Corruption
  /** Given if only the body of this version is unusable. Other versions may be usable. */
  readonly version?: number
}

export interface CorruptRecords {
  met(record: CorruptRecord): void
  /** The record was read and verifies in this version, or is gone (no version). A version with an unusable body stays noted. */
  over(kind: string, name: string, version?: number): void
  /** Whether the record was found unusable and not usable since. */
  has(kind: string, name: string): boolean
  /** Forgets records with this reason. */
  forget(why: Corruption): void
  /** All such records, in the order in which they were found. */
  current(): readonly CorruptRecord[]
}

interface CorruptRecordsDependencies {
  /** Called once for each record. Must not throw. */
  readonly onMet: (record: CorruptRecord) => void
  readonly log: Pick<Log, 'error'>
}

/** Most remembered records. Others are logged each time. */
const LIMIT = 10_000

export function createCorruptRecords({ onMet, log }: CorruptRecordsDependencies): CorruptRecords {
  const records = new Map<string, CorruptRecord>()
  const keyOf = (kind: string, name: string) => `${kind}\n${name}`

  return {
    met(record) {
      const { kind, name, why } = record
      const key = keyOf(kind, name)
      const before = records.get(key)
      if (before?.why === why && before.version === record.version) return
      if (records.size < LIMIT) records.set(key, record)
      log.error({ kind, name, reason: why }, `a record is not used: ${CORRUPTIONS[why]}`)
      onMet(record)
    },
    over(kind, name, version) {
      if (records.size === 0) return
      const key = keyOf(kind, name)
      const noted = records.get(key)?.version
      if (noted === undefined || noted !== version) records.delete(key)
    },
    has: (kind, name) => records.size > 0 && records.has(keyOf(kind, name)),
    forget(why) {
      for (const [key, record] of records) if (record.why === why) records.delete(key)
    },
    current: () => [...records.values()],
  }
}
