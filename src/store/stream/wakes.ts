/** Wakes work that waits for something in the store. */
import type { Task } from '../../runtime/tasks.ts'
import type { Core } from '../core.ts'
import type { Change } from '../store.ts'
import type { StoreEvents } from '../store-events.ts'

type Waiting = Pick<Task, 'wake' | 'tick'>
type Host = Pick<Core<StoreEvents>, 'events' | 'runtime' | 'stopping'>

/** Changes within this time wake once. */
const GATHER_MS = 1_000

/** Wakes at changes of interest, after a time in which changes may have been missed, and when the time has come for which the work waits. */
export function wakeByStore(
  { events, runtime, stopping }: Host,
  { wake, tick }: Waiting,
  isOfInterest: (change: Change) => boolean,
): void {
  let isGathering = false
  const gather = async () => {
    if (isGathering) return
    isGathering = true
    await runtime.sleep(GATHER_MS, stopping)
    isGathering = false
    wake()
  }
  events.on('store.changed', (change) => (isOfInterest(change) ? gather() : undefined))
  events.on('store.gap', gather)
  events.on('store.heard', gather)
  events.on('store.pulse', tick)
}

/** The same for documents of one kind. */
export const wakeByDocuments = (host: Host, waiting: Waiting, kind: string): void =>
  wakeByStore(host, waiting, (change) => change.type === 'document' && change.kind === kind)
