/** Emits the outcomes that this replica changes, so that it applies them at once and does not wait for the change stream. */
import type { Emitter } from '../runtime/events.ts'
import { isOnlyNewer } from './outcome.ts'
import type { Outcomes } from './store.ts'
import type { StoreEvents } from './store-events.ts'

export const heardAtOnce = (
  outcomes: Outcomes,
  events: Pick<Emitter<StoreEvents>, 'emit'>,
): Outcomes => ({
  ...outcomes,
  async save(name, expected, change) {
    const saved = await outcomes.save(name, expected, change)
    if (saved.saved) {
      events.emit('outcome.changed', {
        ...{ type: 'integration', name, rev: saved.rev },
        ...(isOnlyNewer(change) && { isNewer: true }),
      })
    }
    return saved
  },
  async forgetRefusal(name) {
    const rev = await outcomes.forgetRefusal(name)
    if (rev !== undefined) {
      events.emit('outcome.changed', { type: 'integration', name, rev, isNewer: true })
    }
    return rev
  },
  async revoke(tokenId, until) {
    const names = await outcomes.revoke(tokenId, until)
    events.emit('outcome.changed', { type: 'dead', tokenId, names })
    return names
  },
})
