/** What one broker does about refresh tokens, on any store and any Salesforce. */
import { createCustody } from '../../src/custody/custody.ts'
import { createCustodyStore } from '../../src/custody/custody-store.ts'
import { createExchange } from '../../src/custody/exchange.ts'
import { createIntents } from '../../src/custody/intent.ts'
import { createRotatedTokens } from '../../src/custody/rotated-tokens.ts'
import { createUnknownOutcomeResolver } from '../../src/custody/unknown-outcome-resolver.ts'
import { createVouching, type RestoredMode } from '../../src/custody/vouching.ts'
import type { Known, Witness } from '../../src/custody/witness.ts'
import type { Custodies } from '../../src/store/custody.ts'

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined }

export interface CustodyBrokerOptions {
  readonly custody: Custodies
  /** What is looked at how old the store is. Default: `custody`. */
  readonly ages?: Custodies
  readonly now: () => number
  readonly uniqueId: () => string
  readonly sleep?: () => Promise<void>
  readonly witness?: Pick<Witness, 'read' | 'note'>
  readonly mode?: RestoredMode
  readonly graceMs?: number
  readonly trouble?: string
  readonly onLost?: (reason: string) => void
}

/** A witness in memory, which outlives its broker. */
export function memoryWitness(): Pick<Witness, 'read' | 'note'> {
  let kept: Known | undefined
  return {
    read: async (id) => (kept?.id === id ? kept : undefined),
    async note(known) {
      kept = known
    },
  }
}

export function createCustodyBroker(options: CustodyBrokerOptions) {
  const { custody, ages = custody, now, uniqueId, witness, mode = 'ask', graceMs = 0 } = options
  const { sleep = async () => undefined, onLost = () => undefined, trouble } = options
  const runtime = { uniqueId, monotonic: now, sleep }
  const plainly = {
    seal: async (_record: string, text: string) => text,
    open: async (_record: string, text: string) => text,
  }
  const store = createCustodyStore({ custody, keyring: plainly })
  const connections = createCustody({
    ...{ store, dropLease: async () => undefined },
    runtime: { uniqueId, sleep: async () => undefined },
    ...{ forgetRefusal: async () => undefined, endToken: async () => undefined },
    ...{ audit: { background: () => undefined }, log: QUIET },
  })
  const rotated = createRotatedTokens({ store, runtime, log: QUIET })
  const vouching = createVouching({
    ...{ custody: ages, witness, mode, graceMs, putBack: rotated.putBack },
    ...{ runtime, log: QUIET },
  })
  const intents = createIntents({
    ...{ custody, trouble, vouching, runtime, log: QUIET },
  })
  const resolver = createUnknownOutcomeResolver({
    ...{ store, custody, leaseEndsAt: async () => undefined, onLost },
    ...{ audit: { background: () => undefined }, log: QUIET },
  })
  const exchange = createExchange({
    ...{ store, intents, rotated, resolver, onRewound: vouching.rewound },
    endToken: async () => undefined,
  })
  return { custody: connections, vouching, intents, exchange }
}
