/** Detects that the store may be an old copy of itself. No refresh token is presented before a replica or an operator vouches for it. */

import { BrokerError } from '../errors/errors.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createSharedTurns } from '../runtime/shared-turns.ts'
import {
  type CustodyAge,
  type CustodyAges,
  DOUBTED_PREFIX,
  type Noted,
  RESTORED_PREFIX,
} from '../store/custody-age.ts'
import { SETTLE_MS } from './connection.ts'
import type { Known, Witness } from './witness.ts'

/** What to do if nobody knows: ask an operator, or trust the store. */
export const RESTORED_MODES = ['ask', 'trust'] as const
export type RestoredMode = (typeof RESTORED_MODES)[number]

type VouchingStep = 'none' | 'wait' | 'vouch' | 'doubt' | 'rewound'

/** Decides what a replica with this knowledge of the store does. Undefined: it knows nothing. Pure. */
function judgeAge(
  known: Omit<Known, 'id'> | undefined,
  { run, runAt, knownRun, noted, point, doubt, now }: CustodyAge,
  { mode, graceMs }: { readonly mode: RestoredMode; readonly graceMs: number },
): VouchingStep {
  if (known && known.noted > noted) return 'rewound'
  if (knownRun === null) return 'vouch'
  // A replica that was sure of less may also have missed what this store lacks.
  const knowsAll = doubt?.kind !== 'rewound' && known?.sure === (doubt ?? { point }).point
  if (knownRun === run) return doubt !== null && knowsAll ? 'vouch' : 'none'
  if (now - runAt < graceMs) return 'wait'
  return knowsAll || (mode === 'trust' && doubt?.kind !== 'rewound') ? 'vouch' : 'doubt'
}

export interface Vouching {
  /** Looks at the store and acts on the result. Concurrent calls share one look. */
  look(): Promise<void>
  /** Looks, and ends a doubt without tokens in it. */
  tend(): Promise<void>
  /** Whether the last look found nothing to decide, now or later. */
  isSettled(): boolean
  /** The highest known number of notes. */
  known(): Promise<number>
  /** Records one more note. Resolves when the witness has it. Throws `store_unavailable`. */
  note(noted: Noted): Promise<void>
  /** The store went back in time: doubts every idle token until Salesforce was asked, and restores the tokens of this process. */
  rewound(): Promise<void>
  /** The store is in a new run. Resolves when somebody vouched, or everything is doubted. Throws `store_unavailable` if neither happened within the grace period. */
  settleRun(): Promise<void>
  /** An operator says whether the store was restored. Undefined: continues with what is there. Returns the former state. Throws `conflict` if the store was certainly restored. */
  accept(restored: boolean | undefined): Promise<'sound' | 'doubted' | 'rewound'>
  age(): CustodyAge | undefined
}

const SEE = 'docs/runbooks.md#a-store-that-may-be-an-old-one'

export function createVouching(dependencies: {
  readonly custody: CustodyAges
  /** Absent: there is no disk. */
  readonly witness?: Pick<Witness, 'read' | 'note'> | undefined
  readonly mode: RestoredMode
  /** How long other replicas may report what they know, after a new run began. */
  readonly graceMs: number
  /** Restores tokens that the store lacks, in doubt under this id. */
  readonly putBack: (doubt: string) => Promise<void>
  readonly runtime: Pick<Runtime, 'sleep' | 'uniqueId'>
  readonly log: Pick<Log, 'info' | 'error'>
}): Vouching {
  const { custody, witness, mode, graceMs, putBack, runtime, log } = dependencies
  const { sleep, uniqueId } = runtime
  let known: Known | undefined
  let current: CustodyAge | undefined
  const doubtId = () => `${DOUBTED_PREFIX}${uniqueId()}`

  const knownOf = ({ id }: Pick<CustodyAge, 'id'>) => (known?.id === id ? known : undefined)

  /** The tokens in doubt are known to exist, but there may be more. */
  const remember = async (id: string, { noted: count, point }: Noted): Promise<void> => {
    const former = knownOf({ id })
    const noted = Math.max(former?.noted ?? 0, count)
    const isOlder = count < noted || point === null
    const sure = isOlder ? (former?.sure ?? null) : point
    if (former?.noted === noted && former.sure === sure) return
    known = { id, noted, sure }
    await witness?.note(known)
  }

  const tell = (before: CustodyAge | undefined, { doubt }: CustodyAge) => {
    const was = before?.doubt?.kind
    if (doubt?.kind === was) return
    if (doubt === null)
      log.info({}, 'no refresh token waits for a decision on the age of the store')
    else log.error({ see: SEE }, DOUBTS[doubt.kind])
  }

  const distrust = async (kind: 'doubted' | 'rewound', noted: number): Promise<void> => {
    await custody.distrust({ id: doubtId(), kind, noted, lookInMs: SETTLE_MS })
  }

  const take = async (step: Exclude<VouchingStep, 'none' | 'wait'>, age: CustodyAge) => {
    const { noted = 0, sure = null } = knownOf(age) ?? {}
    switch (step) {
      case 'vouch': {
        const isSure = sure === (age.doubt ?? age).point
        const isVouched = await custody.vouch(age.run, isSure ? sure : null)
        if (isVouched && age.knownRun !== null) log.info({}, 'the store is known to be the newest')
        return
      }
      case 'rewound':
        log.error(
          { missing: noted - age.noted },
          'the store went back in time: presentations of refresh tokens are missing',
        )
        return distrust('rewound', noted)
      case 'doubt':
        return distrust('doubted', 0)
    }
  }

  const look = createSharedTurns(async () => {
    const before = current
    let age = await custody.age()
    if (before === undefined) {
      known ??= await witness?.read(age.id)
    } else if (before.run !== age.run || before.id !== age.id) await putBack(doubtId())
    const step = judgeAge(knownOf(age), age, { mode, graceMs })
    if (step !== 'none' && step !== 'wait') {
      await take(step, age)
      age = await custody.age()
    }
    current = age
    tell(before, age)
    const { id, noted, point, doubt } = age
    if (age.knownRun === age.run) await remember(id, { noted, point: doubt ? null : point })
  })

  return {
    look,
    async tend() {
      if (current && current.doubt !== null) await custody.doubted()
      await look()
    },
    isSettled: () => current?.doubt === null && current.knownRun === current.run,
    async known() {
      if (!current) await look()
      return (current && knownOf(current)?.noted) ?? 0
    },
    async note(noted) {
      if (current) await remember(current.id, noted)
    },
    async rewound() {
      await putBack(doubtId())
      await distrust('rewound', knownOf(await custody.age())?.noted ?? 0)
      await look()
    },
    async settleRun() {
      await look()
      if (current && current.knownRun !== current.run) {
        await sleep(Math.max(0, current.runAt + graceMs - current.now))
        await look()
      }
      if (current?.knownRun === current?.run) return
      throw new BrokerError(
        'store_unavailable',
        'The store has just restarted, and it is not known yet whether its content is complete',
        { retryAfterMs: graceMs },
      )
    },
    async accept(restored) {
      await look()
      const age = await custody.age()
      const isNewRun = age.knownRun !== null && age.knownRun !== age.run
      const was = age.doubt?.kind ?? (isNewRun ? 'doubted' : 'sound')
      if (restored === false) {
        if (was === 'rewound') throw contradicted()
        await custody.vouch(age.run, null)
      } else if (restored === true || was !== 'sound') {
        const all = restored === true || isNewRun
        await custody.takeForRestored({ id: `${RESTORED_PREFIX}${uniqueId()}`, all, lookInMs: 0 })
      }
      await look()
      return was
    },
    age: () => current,
  }
}

const DOUBTS = {
  doubted:
    'the store may be an old one: refresh tokens wait for Salesforce, a witness or an operator to tell',
  rewound:
    'the store went back in time: refresh tokens wait for Salesforce or an operator to tell which are used up',
} as const

const contradicted = () =>
  new BrokerError(
    'conflict',
    'The store was restored: presentations of refresh tokens are known that it lacks. Say {"restored": true}.',
  )
