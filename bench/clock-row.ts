/** A row of `npm run bench -- faults`: the clock of the host of Redis is set back, by Debian's `libfaketime`. */
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { provideCommand } from '../test/support/apt.ts'
import { startFleet } from '../test/support/fleet.ts'
import { ask } from '../test/support/redis.ts'
import { VALKEY_9 } from '../test/support/redis-programs.ts'
import { programOf, provideWheelProgram } from '../test/support/wheel-programs.ts'
import { type PartialTrouble, partialTrouble } from './cases/partial-trouble.ts'
import { SHORT_LIVES } from './cases/steady-load.ts'
import { type Row, shareOk, type Teardown } from './fault-row.ts'

const PER_SECOND = 300
const DURATION_MS = 20_000
const HOUR_MS = 3_600_000
/** The store tells whole seconds, and the machine may be busy. */
const TOLERANCE_MS = 60_000
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'

/** Reads its clock's offset from a file at each look. Of Valkey, for jemalloc, which Redis is built with, asks for the time itself. */
async function serverWithClock(t: Teardown) {
  // The loader ignores a library that is not there, and the clock would then be right.
  for (const provided of [
    await provideWheelProgram(VALKEY_9, console.error),
    provideCommand('faketime', console.error),
  ]) {
    if (!provided.ok) throw new Error(provided.why)
  }
  await access(FAKETIME)
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-clock-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [program, clock] = [join(folder, 'valkey-server'), join(folder, 'clock')]
  const settings = `LD_PRELOAD=${FAKETIME} FAKETIME_TIMESTAMP_FILE=${clock} FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1`
  await writeFile(clock, '+0')
  await writeFile(program, `#!/bin/sh\nexport ${settings}\nexec ${programOf(VALKEY_9)} "$@"\n`, {
    mode: 0o755,
  })
  return { program, set: (offset: string) => writeFile(clock, offset) }
}

/** Leases end meanwhile: what the store takes for later must not be later. */
export const CLOCK: Row = {
  what: `Redis: the clock of its host is set back by an hour for ${DURATION_MS / 1_000} s, leases of 6 s; 2 replicas, ${PER_SECOND} requests/s`,
  must: '0 errors, 0 dead tokens; each change done or refused, never half',
  async run(t) {
    const clock = await serverWithClock(t)
    const fleet = await startFleet(t, {
      ...{ replicas: 2, settings: SHORT_LIVES, redisProgram: clock.program },
    })
    const behindMs: number[] = []
    const look = async () => {
      const time = await ask(fleet.redis.port, (client) => client.time())
      if (!time) throw new Error('the store does not tell its time')
      behindMs.push(Date.now() - Number(time[0]) * 1_000)
    }
    const trouble: PartialTrouble = {
      async begin() {
        await look()
        await clock.set('-1h')
        await look()
      },
      async end() {
        await look()
        await clock.set('+0')
        await look()
      },
    }
    const { hits, dead, half, done, refused, p99Ms } = await partialTrouble(fleet, {
      ...{ name: 'clock', trouble, durationMs: DURATION_MS, perSecond: PER_SECOND },
    })
    const isSetBack = behindMs.map((ms) => Math.abs(ms - HOUR_MS) < TOLERANCE_MS)
    const isRight = behindMs.map((ms) => Math.abs(ms) < TOLERANCE_MS)
    if (!(isRight[0] && isSetBack[1] && isSetBack[2] && isRight[3])) {
      throw new Error(`the clock of the store was behind by ${behindMs.join(', ')} ms`)
    }
    const errors = hits.length - shareOk(hits)
    return {
      shown: `${errors} errors of ${hits.length}, ${dead} dead tokens, p99 ${p99Ms} ms; ${done} changes done, ${refused} refused, ${half.length} half`,
      holds: errors + dead + half.length === 0 && hits.length > 0 && done > 0,
    }
  },
}
