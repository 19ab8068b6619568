/** Logins for tests: mints that do as they are told, charged to nobody. */
import type { Runtime } from '../../src/runtime/runtime.ts'
import { type Breaker, createBreaker } from '../../src/tokens/mint/breaker.ts'
import { createLogins, type Logins, type LoginsDependencies } from '../../src/tokens/mint/logins.ts'
import { NO_SIGNERS } from './no-signers.ts'
import { testLog, testRuntime } from './runtime.ts'

/** Alone: no other replica takes its probes, or hears of its rests. */
export const testBreaker = (members: Partial<Parameters<typeof createBreaker>[0]> = {}): Breaker =>
  createBreaker({
    locks: { acquire: async () => true },
    changes: { announce: async () => undefined },
    ...{ uniqueId: () => 'one', monotonic: () => 0, log: testLog() },
    ...members,
  })

export function testLogins(
  minter: Partial<LoginsDependencies['minter']>,
  members: Partial<Runtime> = {},
  breaker: Breaker = testBreaker(),
): Logins {
  const never = () => Promise.reject(new Error('It is not expected to be called'))
  return createLogins({
    minter: {
      client: never,
      requireThawed: async () => undefined,
      mint: never,
      prove: never,
      read: never,
      ...minter,
    },
    identity: {
      ...{ check: async () => undefined, known: never },
      ...{ subjectOf: async () => undefined, lastSeen: () => undefined },
    },
    budget: { charge: async () => undefined, chargeUnderLock: never },
    ...{ breaker, signers: NO_SIGNERS, runtime: testRuntime(members) },
  })
}
