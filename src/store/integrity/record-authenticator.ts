import type { Macs } from '../../crypto/macs.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { Page } from '../records.ts'
import type { Corruption, CorruptRecords } from './corrupt-records.ts'
import type { MacRequirement } from './mac-requirement.ts'
import { type AuthenticRecord, judgeMac, macOf } from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'
import type { SeenVersions } from './seen-versions.ts'

/** What makes and checks codes, for every part of the store. */
export interface RecordAuthenticator {
  /** The moment before a read. */
  begin(): number
  code(record: AuthenticRecord): string
  /** Throws `record_corrupt`. */
  prove(record: AuthenticRecord, mac: string | undefined, began: number): Promise<void>
  /** Throws `record_corrupt` where something newer was seen, and the store as a whole did not go back. */
  keepsPace(
    record: Pick<AuthenticRecord, 'kind' | 'name' | 'uid' | 'version'>,
    began: number,
  ): Promise<void>
  /** It is not there. */
  absent(kind: string, name: string, began: number): void
  /** Of one record: what cannot be read is noted, and what is gone is. */
  one<Found>(
    kind: string,
    name: string,
    began: number,
    read: Promise<Found | undefined>,
  ): Promise<Found | undefined>
  /** Those of a page that verify; the others by name. */
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
  /** Before a record is called rolled back: looks whether the whole store was, and clears what was seen where it was. */
  readonly lookAtWhole: () => Promise<void>
}

export function createRecordAuthenticator(
  dependencies: RecordAuthenticatorDependencies,
): RecordAuthenticator {
  const { macs, requirement, corrupt, seen, lookAtWhole } = dependencies

  const isRolledBack = async (
    { kind, name, uid, version }: Pick<AuthenticRecord, 'kind' | 'name' | 'uid' | 'version'>,
    began: number,
  ): Promise<boolean> => {
    const isPast = () => seen.isPast(kind, name, uid, version, began)
    if (!isPast()) return false
    await lookAtWhole()
    return isPast()
  }

  const troubleOf = async (
    record: AuthenticRecord,
    mac: string | undefined,
    began: number,
  ): Promise<Corruption | undefined> => {
    const verdict = judgeMac(macs, mac, record)
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
    { kind, name }: Pick<AuthenticRecord, 'kind' | 'name'>,
    why: Corruption | undefined,
  ): void => {
    if (why === undefined) {
      corrupt.over(kind, name)
      return
    }
    corrupt.met({ kind, name, why })
    throw new BrokerError('record_corrupt', `The record ${kind} ${name} does not verify`)
  }

  return {
    begin: seen.now,
    absent: seen.absent,
    async prove(record, mac, began) {
      settle(record, await troubleOf(record, mac, began))
      note(record, began)
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
          // Not remembered as seen: whoever lists a hundred thousand uses few of them.
          settle(record, await troubleOf(record, item.mac, began))
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
