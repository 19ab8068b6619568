/** The intent to present a refresh token. It is noted before, and taken back if nothing was sent. */

import { BrokerError, isStoreTrouble } from '../errors/errors.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { Custodies, CustodyRecord } from '../store/custody.ts'
import { SETTLE_MS } from './connection.ts'
import { type CustodyTarget, LOOK_MS } from './custody-store.ts'
import type { Vouching } from './vouching.ts'

export type Intents = ReturnType<typeof createIntents>

/** Lifetime of an intent. After it, others could settle the presentation before its answer ends. */
const INTENT_MS = 5_000
const AGAIN_MS = { least: 100, most: 1_000 }

export function createIntents(dependencies: {
  readonly custody: Pick<Custodies, 'spend' | 'unspend'>
  /** Why refresh tokens must not be used with this store. Undefined: they may. */
  readonly trouble: string | undefined
  readonly vouching: Pick<Vouching, 'known' | 'note' | 'rewound' | 'settleRun'>
  readonly runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'uniqueId'>
  readonly log: Pick<Log, 'warn'>
}) {
  const { custody, trouble, vouching, runtime, log } = dependencies
  const { monotonic, sleep, uniqueId } = runtime
  let isStopped = false

  const takeBack = async ({ name }: Pick<CustodyTarget, 'name'>, id: string): Promise<void> => {
    const until = monotonic() + SETTLE_MS
    for (let pauseMs = AGAIN_MS.least; ; pauseMs = Math.min(2 * pauseMs, AGAIN_MS.most)) {
      try {
        await custody.unspend(name, id, LOOK_MS)
        return
      } catch (error) {
        if (!isStoreTrouble(error) || monotonic() > until) throw error
        await sleep(pauseMs)
      }
    }
  }

  const takeBackLater = (target: Pick<CustodyTarget, 'name'>, id: string) => {
    takeBack(target, id).catch((error: unknown) => {
      log.warn({ err: error, integration: target.name }, 'an intent could not be withdrawn')
    })
  }

  const checkRunning = () => {
    if (isStopped) throw stopping()
    if (trouble !== undefined) throw new BrokerError('store_unavailable', trouble)
  }

  return {
    /** SPEND of the protocol. Returns the id of the presentation, which must follow at once. Undefined: other replicas were faster, or the store changed its run. Throws if nothing may be sent. */
    async note(
      target: Pick<CustodyTarget, 'name'>,
      { family, g, id }: Pick<CustodyRecord, 'family' | 'g' | 'id'>,
      isFinal: boolean,
    ): Promise<string | undefined> {
      checkRunning()
      const next = uniqueId()
      const noted = await vouching.known()
      const sentAt = monotonic()
      let result: Awaited<ReturnType<Custodies['spend']>>
      try {
        result = await custody.spend(target.name, {
          ...{ family, g, id, next, isFinal, noted },
          lookInMs: SETTLE_MS,
        })
        if (typeof result === 'object') await vouching.note(result)
      } catch (error) {
        // The store may have the intent although it did not answer.
        takeBackLater(target, next)
        throw error
      }
      if (result === 'rewound') await vouching.rewound()
      if (result === 'new_run') await vouching.settleRun()
      if (typeof result !== 'object') return undefined
      if (!isStopped && monotonic() - sentAt <= INTENT_MS) return next
      takeBackLater(target, next)
      throw isStopped ? stopping() : tooLate()
    },
    /** UNSPEND of the protocol: the token was certainly not used. Repeated until the store accepts it, or others settled it. */
    takeBack,
    /** After this call, no refresh token is presented. */
    stop(): void {
      isStopped = true
    },
    /** Throws after `stop`, and if refresh tokens must not be used. */
    checkRunning,
  }
}

const stopping = () =>
  new BrokerError('store_unavailable', 'This replica is stopping and starts nothing new', {
    retryAfterMs: 1_000,
  })

const tooLate = () =>
  new BrokerError('store_unavailable', 'The store took too long to record an intent', {
    retryAfterMs: 1_000,
  })
