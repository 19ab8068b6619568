import type { Macs } from '../../crypto/macs.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { Page } from '../records.ts'
import type { Corruption, CorruptRecords } from './corrupt-records.ts'
import type { MacRequirement } from './mac-requirement.ts'
import { type AuthenticRecord, INTEGRATION, judgeMac, macOf } from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'
import type { SeenVersions } from './seen-versions.ts'

/** Creates and verifies codes for all parts of the store. */
export interface RecordAuthenticator {
  /** Called before a read; returns its time. */
  begin(): number
  code(record: AuthenticRecord): string
  /** Throws `record_corrupt`. Undefined: it is proven. A promise: more of the store must be read for it. */
  prove(record: AuthenticRecord, mac: string | undefined, began: number): Promise<void> | undefined
  /** Throws `record_corrupt` if a newer version was seen, unless the complete store went back. */
  keepsPace(
    record: Pick<AuthenticRecord, 'kind' | 'name' | 'uid' | 'version'>,
    began: number,
  ): Promise<void>
  /** Records that the record does not exist. */
  absent(kind: string, name: string, began: number): void
  /** Reads one record and records whether it is corrupt or absent. */
  one<Found>(
    kind: string,
    name: string,
    began: number,
    read: Promise<Found | undefined>,
  ): Promise<Found | undefined>
  /** Returns the verified records of a page, and the names of the others. */
  page<Item extends { readonly mac?: string }>(
    kind: string,
    began: number,
    read: Page<Item>,
    authentic: (item: Item) => AuthenticRecord,
  ): Promise<Page<Item>>
}

export interface RecordAuthenticatorDependencies {
  readonly macs: Macs
  readonly requirement: Pick<MacRequirement, 'stage' | 'acceptsUnproven'>
  readonly corrupt: CorruptRecords
  readonly seen: SeenVersions
  /** Called before a record is reported as rolled back. If the complete store went back, clears what was seen. */
  readonly lookAtWhole: () => Promise<void>
}

/** As many as a page shows, and some. */
const PROVEN_MAX = 300

const isSame = (one: AuthenticRecord, other: AuthenticRecord): boolean =>
  one.kind === other.kind &&
  one.name === other.name &&
  one.uid === other.uid &&
  one.version === other.version &&
  one.content.length === other.content.length &&
  one.content.every((text, at) => text === other.content[at])

export function createRecordAuthenticator(
  dependencies: RecordAuthenticatorDependencies,
): RecordAuthenticator {
  const { macs, requirement, corrupt, seen, lookAtWhole } = dependencies

  /** Records by their code, those that were proven last. A page reads each twice. */
  const proven = new Map<string, AuthenticRecord>()
  const judged = (record: AuthenticRecord, mac = ''): ReturnType<typeof judgeMac> => {
    const known = proven.get(mac)
    if (known && isSame(known, record)) return 'authentic'
    const verdict = judgeMac(macs, mac, record)
    if (verdict === 'authentic' && record.kind === INTEGRATION) {
      const [oldest] = proven.size >= PROVEN_MAX ? proven.keys() : []
      if (oldest !== undefined) proven.delete(oldest)
      proven.set(mac, record)
    }
    return verdict
  }

  const isRolledBack = async (
    { kind, name, uid, version }: Pick<AuthenticRecord, 'kind' | 'name' | 'uid' | 'version'>,
    began: number,
  ): Promise<boolean> => {
    const isPast = () => seen.isPast(kind, name, uid, version, began)
    if (!isPast()) return false
    await lookAtWhole()
    return isPast()
  }

  /** False: it must be looked at again, with more of the store. */
  const isPlainlyAuthentic = (
    verdict: ReturnType<typeof judgeMac>,
    { kind, name, uid, version }: AuthenticRecord,
    began: number,
  ): boolean => verdict === 'authentic' && !seen.isPast(kind, name, uid, version, began)

  const troubleOf = async (
    verdict: ReturnType<typeof judgeMac>,
    record: AuthenticRecord,
    began: number,
  ): Promise<Corruption | undefined> => {
    if (verdict === 'absent' || verdict === 'outdated') {
      if (!(await requirement.acceptsUnproven())) return 'no_mac'
    } else if (verdict !== 'authentic') return verdict
    return (await isRolledBack(record, began)) ? 'rolled_back' : undefined
  }

  const note = (
    { kind, name, uid, version }: Pick<AuthenticRecord, 'kind' | 'name' | 'uid' | 'version'>,
    began: number,
  ) => seen.note(kind, name, uid, version, began)

  const settle = (
    { kind, name, version }: Pick<AuthenticRecord, 'kind' | 'name' | 'version'>,
    why: Corruption | undefined,
  ): void => {
    if (why === undefined) {
      corrupt.over(kind, name, version)
      return
    }
    corrupt.met({ kind, name, why })
    throw new BrokerError('record_corrupt', `The record ${kind} ${name} does not verify`)
  }

  const proveLater = async (
    verdict: ReturnType<typeof judgeMac>,
    record: AuthenticRecord,
    began: number,
  ): Promise<void> => {
    settle(record, await troubleOf(verdict, record, began))
    note(record, began)
  }

  return {
    begin: seen.now,
    absent: seen.absent,
    // A page proves some hundred records: none of them makes a promise.
    prove(record, mac, began) {
      const verdict = judged(record, mac)
      if (!isPlainlyAuthentic(verdict, record, began)) return proveLater(verdict, record, began)
      settle(record, undefined)
      note(record, began)
      return undefined
    },
    async keepsPace(record, began) {
      settle(record, (await isRolledBack(record, began)) ? 'rolled_back' : undefined)
      note(record, began)
    },
    code: (record) => macOf(macs, requirement.stage(), record),
    async one(kind, name, began, read) {
      try {
        const found = await read
        if (found === undefined) {
          corrupt.over(kind, name)
          seen.absent(kind, name, began)
        }
        return found
      } catch (error) {
        if (isCorrupt(error)) corrupt.met({ kind, name, why: 'unreadable' })
        throw error
      }
    },
    async page(kind, began, read, authentic) {
      const names = [...(read.corrupt ?? [])]
      for (const name of names) corrupt.met({ kind, name, why: 'unreadable' })
      const items: (typeof read.items)[number][] = []
      for (const item of read.items) {
        const record = authentic(item)
        try {
          // Not recorded as seen, because a list contains many records that are never used.
          const verdict = judged(record, item.mac)
          const isPlain = isPlainlyAuthentic(verdict, record, began)
          settle(record, isPlain ? undefined : await troubleOf(verdict, record, began))
          const { mac: _, ...rest } = item
          items.push(rest as typeof item)
        } catch (error) {
          if (!isCorrupt(error)) throw error
          names.push(record.name)
        }
      }
      return { items, next: read.next, ...(names.length > 0 && { corrupt: names.sort() }) }
    },
  }
}
