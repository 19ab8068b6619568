/** Compares the store with what this replica remembers: the same store, another one, or an old copy. */

import { Type } from 'typebox'
import type { BodyOf } from '../record-body.ts'

/** See `Store.identity`. */
export interface StoreIdentity {
  readonly id: string
  readonly seq: number
}

/** `wiped`: another store. `rewound`: the same store with fewer changes than it acknowledged. */
export type StoreIntegrity = 'sound' | 'wiped' | 'rewound'

export interface StoreMemory {
  readonly integrity: StoreIntegrity
  /** The store when it was last sound. */
  readonly known: StoreIdentity
  /** The store when the problem was detected; equal to `known` while it is sound. */
  readonly since: StoreIdentity
}

/** The message of replicas to each other, in the store itself. */
export const StoreNote = Type.Object({
  id: Type.String(),
  seq: Type.Number(),
  standing: Type.Enum(['wiped', 'rewound', 'accepted']),
})

export type StoreNote = BodyOf<typeof StoreNote>

const sound = (current: StoreIdentity): StoreMemory => ({
  integrity: 'sound',
  known: current,
  since: current,
})

const NOWHERE: StoreIdentity = { id: '', seq: 0 }

/** The state of a store that replaces a lost one. */
export const begunAnew = (current: StoreIdentity): StoreMemory => ({
  integrity: 'wiped',
  known: NOWHERE,
  since: current,
})

export function judgeStore(
  memory: StoreMemory | undefined,
  current: StoreIdentity,
  note: StoreNote | undefined,
): StoreMemory {
  // A note about another store came with a backup and is ignored.
  const noted = note?.id === current.id ? note : undefined
  const isAccepted = noted?.standing === 'accepted'
  if (memory === undefined || memory.integrity === 'sound') {
    const found = memory ? compare(memory.known, current) : 'sound'
    if (memory && found !== 'sound' && !(found === 'wiped' && isAccepted)) {
      return { integrity: found, known: memory.known, since: current }
    }
    if (noted === undefined || noted.standing === 'accepted') return sound(current)
    // Another replica detected it. The earlier identity is unknown.
    const known = noted.standing === 'wiped' ? NOWHERE : current
    return { integrity: noted.standing, known, since: current }
  }
  const { integrity, known, since } = memory
  if (integrity === 'wiped') {
    if (isAccepted) return sound(current)
    const found = compare(known, current)
    if (found === 'sound') return sound(current)
    return found === 'rewound' || current.id !== since.id
      ? { integrity: found, known, since: current }
      : memory
  }
  if (current.id !== known.id) {
    return isAccepted ? sound(current) : { integrity: 'wiped', known, since: current }
  }
  // Later changes do not restore missing ones. An acceptance that is older than the problem was
  // restored with the old data.
  return isAccepted && noted.seq >= since.seq ? sound(current) : memory
}

function compare(known: StoreIdentity, current: StoreIdentity): StoreIntegrity {
  if (current.id !== known.id) return 'wiped'
  return current.seq < known.seq ? 'rewound' : 'sound'
}
