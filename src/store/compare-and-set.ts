/** Compare-and-set writes: how often one that lost a race is tried again. */
import { BrokerError } from '../errors/errors.ts'
import { type Runtime, sleep } from '../runtime/runtime.ts'

/** With as many attempts as writers of one record, each of them succeeds: a loss is always the success of another. */
const ATTEMPTS = 10
/** Longest pause after a lost attempt, in milliseconds. Doubled with each, and random, so that writers do not stay in step. */
const PAUSE_MS = { first: 5, most: 40 }

interface Attempts {
  /** At least 1; fewer than the default where an attempt is expensive. Default: 10. */
  readonly most?: number
  /** Default: those of the process. */
  readonly runtime?: Pick<Runtime, 'sleep' | 'random'>
}

/** Repeats a read and a compare-and-set while other writers are faster. Throws `conflict` after the last attempt. `what` names the record. */
export async function untilWritten<Result>(
  what: string,
  attempt: () => Promise<Result | 'lost'>,
  { most = ATTEMPTS, runtime = { sleep, random: Math.random } }: Attempts = {},
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    const result = await attempt()
    if (result !== 'lost') return result
    if (tries >= most) throw lostRace(what)
    const longestMs = Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** (tries - 1))
    await runtime.sleep(longestMs * runtime.random())
  }
}

export const lostRace = (what: string): BrokerError =>
  new BrokerError('conflict', `Others changed ${what} at the same time`)

/** Others were faster; nothing is wrong with what was to be written. */
export const isLostRace = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'conflict'
