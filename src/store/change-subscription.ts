/** Reads the store's change stream, emits its changes as events, and knows whether this replica is up to date. */
import type { Emitter } from '../runtime/events.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import type { Change, Changes } from './store.ts'
import type { StoreEvents } from './store-events.ts'

export type ChangeSubscription = ReturnType<typeof createChangeSubscription>

interface ChangeSubscriptionDependencies {
  readonly changes: Changes
  readonly events: Pick<Emitter<StoreEvents>, 'emit'>
  readonly runtime: Pick<Runtime, 'wall' | 'monotonic' | 'random' | 'sleep'>
  readonly log: Log
}

/** Longest wait of one read for changes. */
const READ_MS = 250
/** How long memory may be trusted without a completed read. */
const TRUST_MS = 1_000
/** Frequent changes are read together, at this interval. A change after a pause is read at once. */
const GATHER_MS = 5
/** Short, because an attempt costs nothing without a connection, and the end of an outage must be noticed soon. */
const RETRY_MS = { least: 50, most: 150 }

const NEVER = { at: Number.NEGATIVE_INFINITY, monotonic: Number.NEGATIVE_INFINITY }

export function createChangeSubscription(dependencies: ChangeSubscriptionDependencies) {
  const { changes, events, runtime, log } = dependencies
  const { wall, monotonic, random, sleep } = runtime
  const outage = createOutageLogger(log, 'the change stream cannot be read', runtime)
  const waiting = new Map<string, Set<() => void>>()
  let heard = NEVER
  let epoch = 0
  /** Unlike `heard`, a gap does not reset it. */
  let last = NEVER

  const lose = () => {
    epoch += 1
    heard = NEVER
    events.emit('store.gap', undefined)
  }

  const pass = (change: Change) => {
    events.emit('store.changed', change)
    if (change.type !== 'integration') return
    for (const wake of waiting.get(change.name) ?? []) wake()
  }

  const hear = (start: typeof NEVER) => {
    heard = start
    last = start
  }

  const begun = () => ({ at: wall(), monotonic: monotonic() })

  const listen = async () => {
    const first = begun()
    let cursor = await changes.tail()
    lose()
    hear(first)
    outage.over()
    events.emit('store.heard', undefined)
    while (!task.stopped.aborted) {
      const start = begun()
      const { entries, cursor: next, gap } = await changes.read(cursor, READ_MS)
      if (gap) lose()
      for (const entry of entries) pass(entry)
      cursor = next
      hear(start)
      const spareMs = start.monotonic + GATHER_MS - monotonic()
      if (entries.length > 0 && spareMs > 0) await sleep(spareMs, task.stopped)
    }
  }

  const task = createTask({
    runtime,
    async work() {
      try {
        await listen()
      } catch (error) {
        if (task.stopped.aborted) return 0
        lose()
        outage.report(error)
      }
      return RETRY_MS.least + random() * (RETRY_MS.most - RETRY_MS.least)
    },
  })

  return {
    /** Starts the reader, which runs until `stop`. */
    start: task.start,
    stop: task.stop,
    /** Whether a read of the stream completed that began within the last second, by both clocks. */
    isCurrent: (): boolean =>
      monotonic() - heard.monotonic <= TRUST_MS && Math.abs(wall() - heard.at) <= TRUST_MS,
    /** Whether a read ever completed. */
    hasBeenRead: (): boolean => last !== NEVER,
    /** Milliseconds since the last completed read of the stream began, including gaps. Infinite before the first one. */
    silentForMs: (): number => monotonic() - last.monotonic,
    /** Changes with each gap. A value that was read before the gap may be outdated. */
    epoch: (): number => epoch,
    /** Calls back at the next change of this integration. The returned function cancels it. */
    onceChanged(name: string, wake: () => void): () => void {
      const wakes = waiting.get(name) ?? new Set()
      wakes.add(wake)
      waiting.set(name, wakes)
      return () => {
        wakes.delete(wake)
        if (wakes.size === 0) waiting.delete(name)
      }
    },
  }
}
