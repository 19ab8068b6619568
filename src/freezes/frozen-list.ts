/** Where lists find what is frozen. */
import type { FrozenList } from '../integrations/listing/frozen.ts'
import { EVERYTHING, REACHES_MAX } from '../integrations/listing/reach.ts'
import { groupOfLabel } from '../integrations/state.ts'
import type { Selector } from './freeze.ts'
import type { FreezeGate } from './freeze-gate.ts'

export const createFrozenList = (gate: Pick<FreezeGate, 'list' | 'of'>): FrozenList => ({
  async places() {
    const selectors = (await gate.list()).map(({ selector }) => selector)
    const names = new Set(selectors.flatMap(({ integrations }) => integrations))
    const labelled = selectors.filter(({ labels }) => Object.keys(labels).length > 0)
    const isAnywhere = labelled.length > REACHES_MAX || selectors.some(selectsAnywhere)
    return {
      names: [...names].sort(),
      reaches: isAnywhere ? [EVERYTHING] : labelled.map(reachOf),
    }
  },
  has: async (integration) => (await gate.of(integration)).length > 0,
})

/** No index knows the apps and orgs of integrations. */
const selectsAnywhere = ({ all, clientIds, orgIds }: Selector): boolean =>
  all || clientIds.length + orgIds.length > 0

const reachOf = ({ labels }: Selector) => ({
  prefix: '',
  groups: Object.entries(labels).map(([key, value]) => groupOfLabel(key, value)),
})
