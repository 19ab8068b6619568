/** Reads the store's change stream, emits its changes as events, and knows whether this replica is up to date. */
import type { Emitter } from '../runtime/events.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { CHANGES_PER_READ } from './records.ts'
import type { Change, Changes } from './store.ts'
import type { StoreEvents } from './store-events.ts'
import { isAt } from './stream/cursor.ts'

export type ChangeSubscription = ReturnType<typeof createChangeSubscription>

interface ChangeSubscriptionDependencies {
  readonly changes: Changes
  readonly events: Pick<Emitter<StoreEvents>, 'emit'>
  readonly runtime: Pick<Runtime, 'wall' | 'monotonic' | 'random' | 'sleep'>
  readonly log: Log
}

/** Interval between the pulses. The rest of {@link TRUST_MS} is for the answer. */
const PULSE_MS = 600
/** Longest wait for the next change. */
const WAIT_MS = 4_000
/** Each third pulse, and each read, shows that the server accepts changes: another one may, and this one does not hear it. */
const PROOF_MS = 1_700
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
  const waits = createOutageLogger(
    log,
    `the next change cannot be waited for: changes are heard up to ${PULSE_MS} ms late`,
    runtime,
  )
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
  const retryMs = () => RETRY_MS.least + random() * (RETRY_MS.most - RETRY_MS.least)

  let pending: Promise<boolean> | undefined
  /** One wait at a time, also over the failures of other connections: a second one would stand behind the first until that ends. */
  const nextNews = (cursor: string): Promise<boolean> => {
    pending ??= changes.wait(cursor, WAIT_MS).finally(() => {
      pending = undefined
    })
    return pending
  }

  /** Reads until the end or a failure. */
  const listen = async (ended: AbortSignal) => {
    const first = begun()
    let cursor = await changes.tail()
    if (ended.aborted) return
    lose()
    hear(first)
    outage.over()
    events.emit('store.heard', undefined)

    let news = Promise.withResolvers<void>()
    /** Resolved by the end of the round that reads the news. */
    let told: PromiseWithResolvers<void> | undefined
    const tell = () => {
      told = Promise.withResolvers()
      news.resolve()
      return told.promise
    }

    const wait = async () => {
      while (!ended.aborted) {
        const from = cursor
        try {
          const isNews = await nextNews(from)
          waits.over()
          if (!isNews || ended.aborted) continue
        } catch (error) {
          if (ended.aborted) return
          waits.report(error)
        }
        // If the waits failed, the server may be another one now, which a read shows.
        await tell()
        if (cursor === from) await sleep(PULSE_MS, ended)
      }
    }
    void wait()

    let pulseAt = Number.NEGATIVE_INFINITY
    let provenAt = first.monotonic
    while (!ended.aborted) {
      const start = begun()
      const telling = told
      told = undefined
      news = Promise.withResolvers()
      const mustRead = telling !== undefined
      const isPulse = !mustRead || start.monotonic - pulseAt >= PULSE_MS
      const isProof = start.monotonic - provenAt >= PROOF_MS
      const pulse = isPulse ? await changes.pulse(isProof) : undefined
      let count = 0
      if (mustRead || (pulse && !isAt(cursor, pulse))) {
        let isWhole = false
        while (!isWhole) {
          const { entries, cursor: next, gap } = await changes.read(cursor)
          if (ended.aborted) return
          if (gap) lose()
          for (const entry of entries) pass(entry)
          cursor = next
          count += entries.length
          isWhole = entries.length < CHANGES_PER_READ
        }
      }
      if (count > 0 || mustRead || (pulse && isProof)) provenAt = start.monotonic
      if (ended.aborted) return
      hear(start)
      if (pulse) {
        pulseAt = start.monotonic
        events.emit('store.pulse', pulse)
      }
      telling?.resolve()
      const spareMs = start.monotonic + GATHER_MS - monotonic()
      if (count > 0 && spareMs > 0) await sleep(spareMs, ended)
      await pause(pulseAt + PULSE_MS - monotonic(), news.promise, ended)
    }
  }

  /** Until this time is over, or until there is news. */
  const pause = async (ms: number, news: Promise<void>, ended: AbortSignal) => {
    if (ms <= 0) return
    const over = new AbortController()
    await Promise.race([news, sleep(ms, AbortSignal.any([over.signal, ended]))])
    over.abort()
  }

  const task = createTask({
    runtime,
    async work() {
      const ended = new AbortController()
      const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
      task.stopped.addEventListener('abort', () => stop(), { signal: ended.signal })
      try {
        // What still waits for the store ends with its connection.
        await Promise.race([listen(ended.signal), stopped])
      } catch (error) {
        if (task.stopped.aborted) return 0
        lose()
        outage.report(error)
      } finally {
        ended.abort()
      }
      return retryMs()
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
