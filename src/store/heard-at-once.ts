/** Outcomes that this replica changes itself: it obeys what was acknowledged at once, and not only when the change stream brings it back. */
import { isOnlyNewer } from './outcome.ts'
import type { Change, Outcomes } from './store.ts'

/** `hear` is told before whoever asked for the change is. It must not throw: the change has happened. */
export const heardAtOnce = (outcomes: Outcomes, hear: (change: Change) => void): Outcomes => ({
  ...outcomes,
  async save(name, expected, change) {
    const saved = await outcomes.save(name, expected, change)
    if (saved.saved) {
      hear({
        ...{ type: 'integration', name, rev: saved.rev },
        ...(isOnlyNewer(change) && { isNewer: true }),
      })
    }
    return saved
  },
  async forgetRefusal(name) {
    const rev = await outcomes.forgetRefusal(name)
    if (rev !== undefined) hear({ type: 'integration', name, rev, isNewer: true })
    return rev
  },
  async revoke(tokenId, until) {
    const names = await outcomes.revoke(tokenId, until)
    hear({ type: 'dead', tokenId, names })
    return names
  },
})
