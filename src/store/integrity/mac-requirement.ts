/**
 * Whether a record that nothing proves is still accepted. It is while older releases may have
 * written it; not any more once every record was given its code, which a mark in the store says.
 * Whoever can write the store can remove the mark, so each code made since says it, too; and since
 * codes can be removed as well, so does what secrets are sealed in, without which there is nothing to gain.
 */

import type { Macs } from '../../crypto/macs.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { Log } from '../../runtime/runtime.ts'
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

/** What the mark says. */
export interface MacMark {
  /** Every code in the store is of the stage `b`. */
  readonly isComplete: boolean
}

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

const KIND = 'store'
const ID = 'macs'
/** How long an answer that there is no mark is believed. */
const ABSENT_MS = 1_000
const PAGE = 1_000
/** Whoever reads a record that nothing proves waits for the whole search: one after the other, a large store would keep every caller out for long. */
const AT_ONCE = 50
const ATTEMPTS = 20

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

  const readRaw = () => unlessCorrupt(documents.read(KIND, ID))

  const mark = async (): Promise<MacMark | undefined> => {
    const record = await readRaw()
    if (!record || !isAuthentic(record.mac, ofDocument(KIND, record))) {
      if (isDoubted) isRequired = mode === 'refuse'
      isDoubted = false
      return undefined
    }
    isRequired = true
    isDoubted = false
    return JSON.parse(record.body) as MacMark
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
      let after: string | undefined
      do {
        const page = await seals.macs(place, { limit: PAGE, ...(after !== undefined && { after }) })
        for (let from = 0; from < page.items.length; from += AT_ONCE) {
          const heads = page.items.slice(from, from + AT_ONCE)
          const said = await Promise.all(heads.map((head) => saysRequired(place, head)))
          if (said.includes(true)) return true
        }
        after = page.next ?? undefined
      } while (after !== undefined)
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
      for (let tries = 0; tries < ATTEMPTS; tries += 1) {
        const former = (await readRaw())?.version
        const next = ofDocument(KIND, { id: ID, version: (former ?? 0) + 1, body })
        const mac = macOf(macs, 'b', next)
        if (await documents.write(KIND, ID, body, { expected: former ?? 'absent', mac })) {
          isRequired = true
          return
        }
      }
      throw new BrokerError('store_unavailable', 'Another writes the same record over and over')
    },
    reset() {
      isDoubted = true
      absentUntil = Number.NEGATIVE_INFINITY
      search = undefined
    },
  }
}
