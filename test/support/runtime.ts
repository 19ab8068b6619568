/** A runtime and a log for tests. */

import { type Log, type Runtime, sleep } from '../../src/runtime/runtime.ts'

/** Members that are not given: `now` and what follows it tell this machine's time, `random` gives 0.5, ids count up. */
export function testRuntime(members: Partial<Runtime> = {}): Runtime {
  const { now = Date.now } = members
  let ids = 0
  return {
    ...{ now, wall: now, monotonic: now, sleep, random: () => 0.5 },
    uniqueId: () => `id-${++ids}`,
    ...members,
  }
}

/** Writes nothing, except where it is told what to do with a line. */
export const testLog = (members: Partial<Log> = {}): Log => ({
  ...{ info: () => undefined, warn: () => undefined, error: () => undefined },
  ...members,
})
