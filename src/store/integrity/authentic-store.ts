/**
 * The store with a code beside every record from which something is decided: made when it is
 * written, checked when it is read, so that nothing that is wrong comes into memory. A record that
 * does not verify is `record_corrupt`; a list goes on without it, and names it.
 */
import type { Macs } from '../../crypto/macs.ts'
import { BrokerError } from '../../errors/errors.ts'
import { isProvenKind } from '../document-kinds.ts'
import type { Documents, IntegrationContent, IntegrationRecords, Page, Store } from '../store.ts'
import { authenticArchive } from './authentic-archive.ts'
import { authenticChanges } from './authentic-changes.ts'
import { authenticCustodies, authenticOutcomes } from './authentic-outcomes.ts'
import type { Corruption, CorruptRecords } from './corrupt-records.ts'
import type { MacRequirement } from './mac-requirement.ts'
import {
  type AuthenticRecord,
  INTEGRATION,
  judgeMac,
  macOf,
  ofDocument,
  ofIntegration,
} from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'
import type { SeenVersions } from './seen-versions.ts'

export interface AuthenticStoreDependencies {
  /** As the engine gives it. */
  readonly store: Store
  readonly macs: Macs
  readonly requirement: Pick<MacRequirement, 'stage' | 'acceptsUnproven'>
  readonly corrupt: CorruptRecords
  readonly seen: SeenVersions
  /** Before a record is called rolled back: looks whether the whole store was, and clears what was seen where it was. */
  readonly lookAtWhole: () => Promise<void>
}

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

/** Writes that are not compare-and-set become such; so often another may be faster. */
const ATTEMPTS = 100

export function authenticStore(dependencies: AuthenticStoreDependencies): Store {
  const { store, seen, corrupt } = dependencies
  const prover = createProver(dependencies)
  const documents = authenticDocuments(store.documents, prover, seen)
  const integrations = authenticIntegrations(store.integrations, prover, seen)
  const outcomes = authenticOutcomes(store.outcomes, prover, corrupt)
  const custody = authenticCustodies(store.custody, prover, corrupt)

  return {
    ...store,
    ...{ integrations, outcomes, custody, documents },
    archive: authenticArchive(store, prover),
    changes: authenticChanges(store.changes, { documents, outcomes, custody, seen, corrupt }),
  }
}

function createProver(dependencies: AuthenticStoreDependencies): RecordAuthenticator {
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

function authenticIntegrations(
  records: IntegrationRecords,
  prover: RecordAuthenticator,
  seen: SeenVersions,
): IntegrationRecords {
  const proven = async <Found extends Parameters<typeof ofIntegration>[0] & { mac?: string }>(
    name: string,
    read: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> => {
    const began = prover.begin()
    const found = await prover.one(INTEGRATION, name, began, read())
    if (!found) return undefined
    await prover.prove(ofIntegration(found), found.mac, began)
    const { mac: _, ...rest } = found
    return rest as Found
  }

  /** With a code for what the record is about to be. */
  const coded = (name: string, uid: string, version: number, content: IntegrationContent) => ({
    ...content,
    mac: prover.code(ofIntegration({ name, uid, version, ...content })),
  })

  const written = async <Found extends { readonly version: number; readonly mac?: string }>(
    name: string,
    uid: string,
    write: Promise<Found | undefined>,
  ): Promise<Found | undefined> => {
    const record = await write
    if (!record) return undefined
    seen.note(INTEGRATION, name, uid, record.version, seen.now())
    const { mac: _, ...rest } = record
    return rest as Found
  }

  return {
    ...records,
    read: (name) => proven(name, () => records.read(name)),
    readSealed: (name) => proven(name, () => records.readSealed(name)),
    async list(page) {
      const began = prover.begin()
      return prover.page(INTEGRATION, began, await records.list(page), ofIntegration)
    },
    create: (name, uid, content) =>
      written(name, uid, records.create(name, uid, coded(name, uid, 1, content))),
    change(name, { uid, version }, content) {
      const next = coded(name, uid, version + 1, content)
      return written(name, uid, records.change(name, { uid, version }, next))
    },
    async remove(name, expected) {
      const removed = await records.remove(name, expected)
      if (removed) seen.absent(INTEGRATION, name, seen.now())
      return removed
    },
  }
}

function authenticDocuments(
  documents: Documents,
  prover: RecordAuthenticator,
  seen: SeenVersions,
): Documents {
  type Write = Documents['write']

  const writeOver = async (
    expected: number | 'absent',
    ...[kind, id, body, options]: Parameters<Write>
  ): ReturnType<Write> => {
    const version = expected === 'absent' ? 1 : expected + 1
    const mac = prover.code(ofDocument(kind, { id, version, body }))
    const record = await documents.write(kind, id, body, { ...options, expected, mac })
    if (!record) return undefined
    seen.note(kind, id, '', version, seen.now())
    return { id, version: record.version, body }
  }

  return {
    async read(kind, id) {
      if (!isProvenKind(kind)) return documents.read(kind, id)
      const began = prover.begin()
      const record = await prover.one(kind, id, began, documents.read(kind, id))
      if (!record) return undefined
      const { mac, ...rest } = record
      await prover.prove(ofDocument(kind, rest), mac, began)
      return rest
    },
    async list(kind, page) {
      if (!isProvenKind(kind)) return documents.list(kind, page)
      const began = prover.begin()
      const read = await documents.list(kind, page)
      return prover.page(kind, began, read, (record) => ofDocument(kind, record))
    },
    async write(kind, id, body, options) {
      if (!isProvenKind(kind)) return documents.write(kind, id, body, options)
      const { expected } = options
      if (expected !== 'any') return writeOver(expected, kind, id, body, options)
      for (let tries = 0; tries < ATTEMPTS; tries += 1) {
        const former = (await documents.read(kind, id))?.version ?? 'absent'
        const written = await writeOver(former, kind, id, body, options)
        if (written) return written
      }
      throw new BrokerError('store_unavailable', 'Another writes the same record over and over')
    },
    async remove(kind, id, expected) {
      const removed = await documents.remove(kind, id, expected)
      if (removed) seen.absent(kind, id, seen.now())
      return removed
    },
  }
}
