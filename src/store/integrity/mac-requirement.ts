/**
 * Whether a record that nothing proves is still accepted. It is while older releases may have
 * written it; not any more once every record was given its code, which a mark in the store says.
 * Whoever can write the store can remove the mark, so each code made since says it, too; and since
 * codes can be removed as well, so does what secrets are sealed in, without which there is nothing to gain.
 */

import { Type } from 'typebox'
import type { Macs } from '../../crypto/macs.ts'
import type { Log } from '../../runtime/runtime.ts'
import { untilWritten } from '../compare-and-set.ts'
import { documentKind } from '../documents.ts'
import { pages } from '../pages.ts'
import type { BodyOf } from '../record-body.ts'
import type { MacHead, MacPlace } from '../seals.ts'
import type { SealedIntegrationRecord, Store } from '../store.ts'
import {
  type AuthenticRecord,
  judgeMac,
  macOf,
  ofDocument,
  ofIntegration,
  parseMac,
  type Stage,
} from './record-mac.ts'
import { unlessCorrupt } from './record-schema.ts'

/** `migrate`: until the mark is there. `refuse`: never. `accept`: also after. */
export const UNPROVEN_MODES = ['migrate', 'refuse', 'accept'] as const

export type UnprovenMode = (typeof UNPROVEN_MODES)[number]

const MacMark = Type.Object({
  /** Every code in the store is of the stage `b`. */
  isComplete: Type.Boolean(),
})

/** What the mark says. */
export type MacMark = BodyOf<typeof MacMark>

export interface MacRequirement {
  readonly mode: UnprovenMode
  /** Of the codes that this replica makes. */
  stage(): Stage
  /** Throws `store_unavailable` where it cannot be told. */
  acceptsUnproven(): Promise<boolean>
  /** Undefined: codes are not required yet. */
  mark(): Promise<MacMark | undefined>
  /** From here on codes are required, on every replica. */
  require(mark: MacMark): Promise<void>
  /** The store became another one: it is to be asked again. */
  reset(): void
}

export interface MacRequirementDependencies {
  /** As the engine gives it. */
  readonly store: Pick<Store, 'documents' | 'integrations' | 'seals'>
  readonly macs: Macs
  /** Whether an integration was sealed when codes were required. Throws `record_corrupt`. */
  readonly sealRequires: (record: SealedIntegrationRecord) => Promise<boolean>
  readonly mode: UnprovenMode
  /** Every kind of document. */
  readonly kinds: readonly string[]
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'error'>
}

const MARKS = documentKind({ kind: 'store', schema: MacMark })
const ID = 'macs'
/** How long an answer that there is no mark is believed. */
const ABSENT_MS = 1_000
/** Whoever reads a record that nothing proves waits for the whole search: one after the other, a large store would keep every caller out for long. */
const AT_ONCE = 50

export function createMacRequirement(dependencies: MacRequirementDependencies): MacRequirement {
  const { store, macs, sealRequires, mode, kinds, monotonic, log } = dependencies
  const { documents, integrations, seals } = store
  let isRequired = mode === 'refuse'
  /** It is, as far as is known of the store that was there before. */
  let isDoubted = false
  let absentUntil = Number.NEGATIVE_INFINITY
  let search: Promise<boolean> | undefined

  const isAuthentic = (mac: string | undefined, record: AuthenticRecord) =>
    judgeMac(macs, mac, record) === 'authentic'

  const readRaw = () => unlessCorrupt(documents.read(MARKS.kind, ID))

  const mark = async (): Promise<MacMark | undefined> => {
    const record = await readRaw()
    if (!record || !isAuthentic(record.mac, ofDocument(MARKS.kind, record))) {
      if (isDoubted) isRequired = mode === 'refuse'
      isDoubted = false
      return undefined
    }
    isRequired = true
    isDoubted = false
    return MARKS.opened(record).body
  }

  const isProven = async (place: MacPlace, id: string): Promise<boolean> => {
    if (place === 'integrations') {
      const record = await unlessCorrupt(integrations.read(id))
      return record !== undefined && isAuthentic(record.mac, ofIntegration(record))
    }
    const record = await unlessCorrupt(documents.read(place.kind, id))
    return record !== undefined && isAuthentic(record.mac, ofDocument(place.kind, record))
  }

  /** What its code says does not count: it can be taken out. */
  const isSealedSince = async (name: string): Promise<boolean> => {
    const record = await unlessCorrupt(integrations.readSealed(name))
    return record !== undefined && ((await unlessCorrupt(sealRequires(record))) ?? false)
  }

  const saysRequired = async (place: MacPlace, { id, mac }: MacHead): Promise<boolean> => {
    if (parseMac(mac)?.stage === 'b' && (await isProven(place, id))) return true
    return place === 'integrations' && (await isSealedSince(id))
  }

  /** Whether any code or seal in the store was made when codes were required. */
  const wasRequired = async (): Promise<boolean> => {
    for (const place of ['integrations' as const, ...kinds.map((kind) => ({ kind }))]) {
      for await (const { items } of pages((page) => seals.macs(place, page))) {
        for (let from = 0; from < items.length; from += AT_ONCE) {
          const heads = items.slice(from, from + AT_ONCE)
          const said = await Promise.all(heads.map((head) => saysRequired(place, head)))
          if (said.includes(true)) return true
        }
      }
    }
    return false
  }

  const searched = async (): Promise<boolean> => {
    search ??= wasRequired().catch((error: unknown) => {
      search = undefined
      throw error
    })
    const found = await search
    if (found && !isRequired) {
      isRequired = true
      log.error({}, 'the mark that every record has a code is missing in the store; it holds')
    }
    return found
  }

  return {
    mode,
    stage: () => (isRequired ? 'b' : 'a'),
    async acceptsUnproven() {
      if (mode !== 'migrate') return mode === 'accept'
      if (isRequired && !isDoubted) return false
      if (monotonic() >= absentUntil) {
        if (await mark()) return false
        absentUntil = monotonic() + ABSENT_MS
      }
      return !(await searched())
    },
    mark,
    async require({ isComplete }) {
      const body = JSON.stringify({ isComplete } satisfies MacMark)
      const { kind } = MARKS
      await untilWritten('the mark that every record has a code', async () => {
        const former = (await readRaw())?.version
        const mac = macOf(macs, 'b', ofDocument(kind, { id: ID, version: (former ?? 0) + 1, body }))
        const options = { expected: former ?? ('absent' as const), mac }
        return (await documents.write(kind, ID, body, options)) ?? 'lost'
      })
      isRequired = true
    },
    reset() {
      isDoubted = true
      absentUntil = Number.NEGATIVE_INFINITY
      search = undefined
    },
  }
}
