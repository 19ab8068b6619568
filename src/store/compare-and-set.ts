import { BrokerError } from '../errors/errors.ts'

const ATTEMPTS = 3

/** Repeats a read and a compare-and-set while other writers are faster. Throws `conflict` after three attempts. `what` names the record. */
export async function untilWritten<Result>(
  what: string,
  attempt: () => Promise<Result | 'lost'>,
): Promise<Result> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const result = await attempt()
    if (result !== 'lost') return result
  }
  throw lostRace(what)
}

export const lostRace = (what: string): BrokerError =>
  new BrokerError('conflict', `Others changed ${what} at the same time`)
