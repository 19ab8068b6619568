/** Writes to a store without a pause, and hears its changes as a replica does; knows when it worked and what was acknowledged. */

import { randomUUID } from 'node:crypto'
import { BrokerError } from '../../src/errors/errors.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { sleep } from '../../src/runtime/runtime.ts'
import {
  type ChangeSubscription,
  createChangeSubscription,
} from '../../src/store/change-subscription.ts'
import type { Change, Store } from '../../src/store/store.ts'
import type { StoreEvents } from '../../src/store/store-events.ts'
import { eventually } from './eventually.ts'
import { testLog } from './runtime.ts'

export interface StoreLoad {
  readonly subscription: ChangeSubscription
  /** Ids of the documents whose write was acknowledged. */
  readonly acknowledged: readonly string[]
  /** Codes of the errors so far, with how often each came; a problem of ours by its code, anything else by its name. */
  readonly errors: ReadonlyMap<string, number>
  readonly heard: readonly Change[]
  /** Until a write was acknowledged that began after now. Gives how long that took. */
  worksAgain(): Promise<number>
  /** Longest that any operation took to fail or succeed, in milliseconds. */
  slowestMs(): number
  stop(): Promise<void>
}

const KIND = 'load'
const WRITERS = 4
const PAUSE_MS = 5

export function startLoad(store: Store): StoreLoad {
  const run = randomUUID()
  const acknowledged: string[] = []
  const errors = new Map<string, number>()
  const heard: Change[] = []
  let lastBegun = Number.NEGATIVE_INFINITY
  let slowest = 0
  let stopping = false

  const events = createEvents<StoreEvents>()
  events.on('store.changed', (change) => {
    heard.push(change)
  })
  const subscription = createChangeSubscription({
    changes: store.changes,
    events,
    runtime: { wall: Date.now, monotonic: () => performance.now(), random: Math.random, sleep },
    log: testLog(),
  })
  subscription.start()

  const write = async (writer: number) => {
    for (let count = 0; !stopping; count += 1) {
      const id = `${run}-${writer}-${count}`
      const begun = performance.now()
      try {
        await store.documents.write(KIND, id, id, { expected: 'absent' })
        acknowledged.push(id)
        lastBegun = Math.max(lastBegun, begun)
      } catch (error) {
        const code =
          error instanceof BrokerError ? `${error.code} ${causeOf(error)}` : String(error)
        errors.set(code, (errors.get(code) ?? 0) + 1)
      }
      slowest = Math.max(slowest, performance.now() - begun)
      await sleep(PAUSE_MS)
    }
  }
  const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer))

  return {
    subscription,
    acknowledged,
    errors,
    heard,
    async worksAgain() {
      const from = performance.now()
      await eventually(() => lastBegun > from, 60_000)
      return performance.now() - from
    },
    slowestMs: () => slowest,
    async stop() {
      stopping = true
      await Promise.all(writers)
      await subscription.stop()
    },
  }
}

/** How many of the acknowledged documents are not there. */
export async function missingOf(store: Store, ids: readonly string[]): Promise<number> {
  const found = await Promise.all(ids.map((id) => store.documents.read(KIND, id)))
  return found.filter((record) => record === undefined).length
}

const causeOf = ({ cause }: BrokerError): string =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : ''
