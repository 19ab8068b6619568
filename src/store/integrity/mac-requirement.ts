/**
 * Decides whether records without a code are accepted. They are, until every record has a code,
 * which a mark in the store states. An attacker with write access could remove the mark, so newer
 * codes state it, too; and because codes can be removed, so do the sealed secrets.
 */

import { Type } from 'typebox'
import type { Macs } from '../../crypto/macs.ts'
import type { Log } from '../../runtime/runtime.ts'
import { untilWritten } from '../compare-and-set.ts'
import { documentKind } from '../documents.ts'
import type { BodyOf } from '../record-body.ts'
import { pages } from '../records.ts'
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

/** `migrate`: until the mark exists. `refuse`: never. `accept`: always. */
export const UNPROVEN_MODES = ['migrate', 'refuse', 'accept'] as const

export type UnprovenMode = (typeof UNPROVEN_MODES)[number]

const MacMark = Type.Object({
  /** Every code in the store has the stage `b`. */
  isComplete: Type.Boolean(),
})

type MacMark = BodyOf<typeof MacMark>

export interface MacRequirement {
  readonly mode: UnprovenMode
  /** Stage of new codes. */
  stage(): Stage
  /** Throws `store_unavailable` if it is unknown. */
  acceptsUnproven(): Promise<boolean>
  /** Undefined: codes are not required. */
  mark(): Promise<MacMark | undefined>
  /** Makes codes required on every replica. */
  require(mark: MacMark): Promise<void>
  /** Forgets the answer after the store was replaced. */
  reset(): void
}

export interface MacRequirementDependencies {
  readonly store: Pick<Store, 'documents' | 'integrations' | 'seals'>
  readonly macs: Macs
  /** Whether the secrets of an integration were sealed while codes were required. Throws `record_corrupt`. */
  readonly sealRequires: (record: SealedIntegrationRecord) => Promise<boolean>
  readonly mode: UnprovenMode
  readonly kinds: readonly string[]
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'error'>
}

const MARKS = documentKind({ kind: 'store', schema: MacMark })
const ID = 'macs'
/** How long the absence of the mark is cached. */
const ABSENT_MS = 1_000
/** Parallel reads of the search. A sequential search of a large store would delay callers for a long time. */
const AT_ONCE = 50

export function createMacRequirement(dependencies: MacRequirementDependencies): MacRequirement {
  const { store, macs, sealRequires, mode, kinds, monotonic, log } = dependencies
  const { documents, integrations, seals } = store
  let isRequired = mode === 'refuse'
  /** Codes were required by the previous store. */
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

  /** Ignores the code, because it can be removed. */
  const isSealedSince = async (name: string): Promise<boolean> => {
    const record = await unlessCorrupt(integrations.readSealed(name))
    return record !== undefined && ((await unlessCorrupt(sealRequires(record))) ?? false)
  }

  const saysRequired = async (place: MacPlace, { id, mac }: MacHead): Promise<boolean> => {
    if (parseMac(mac)?.stage === 'b' && (await isProven(place, id))) return true
    return place === 'integrations' && (await isSealedSince(id))
  }

  /** Whether any code or seal was created while codes were required. */
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
      log.error(
        {},
        'the mark that every record has a code is missing in the store; codes stay required',
      )
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
