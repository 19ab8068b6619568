/** Nothing is frozen, for parts that are tested without a store. */
import type { FreezeGate } from '../../src/freezes/freeze-gate.ts'

const nothing = async () => undefined

export const NO_FREEZES: FreezeGate = {
  isCurrent: () => true,
  isFrozen: () => false,
  check: () => undefined,
  permit: async () => ({ kind: 'freezes', id: 'all', version: 'absent' }),
  of: async () => [],
  list: async () => [],
  count: () => 0,
  ...{ ready: nothing, require: nothing, refresh: nothing },
  ...{ distrust: () => undefined, heard: () => undefined },
}
