/** What this replica changes beside integrations and leases: it knows at once what the others hear. */
import type { Outcomes } from '../store/store.ts'
import type { LeaseCache } from './lease-cache.ts'

/** Whoever asks next, once a refusal was forgotten, must not meet it in memory. */
export const forgettingAtOnce = (
  outcomes: Pick<Outcomes, 'forgetRefusal'>,
  cache: Pick<LeaseCache, 'written'>,
): Pick<Outcomes, 'forgetRefusal'> => ({
  async forgetRefusal(name) {
    const rev = await outcomes.forgetRefusal(name)
    if (rev !== undefined) cache.written(name, rev)
    return rev
  },
})
