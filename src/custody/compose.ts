/** Composes the custody of refresh tokens. */
import type { AuditLog } from '../audit/log.ts'
import { refreshTokenIdOf } from '../credentials/credential.ts'
import type { Secret } from '../crypto/secret.ts'
import type { KeyBinding } from '../dpop/binding.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import { createTask, pauseUntil } from '../runtime/tasks.ts'
import type { Core } from '../store/core.ts'
import { dropLease } from '../store/outcome.ts'
import type { StoreEvents } from '../store/store-events.ts'
import type { LostReason } from './connection.ts'
import { type Custody, createCustody } from './custody.ts'
import { type CustodyTarget, createCustodyStore } from './custody-store.ts'
import { createExchange, type RefreshTokenExchange } from './exchange.ts'
import { createIntents } from './intent.ts'
import {
  createRefreshTokenMaintainer,
  type RefreshTokenMaintainer,
  type RefreshTokenMaintainerDependencies,
} from './refresh-token-maintainer.ts'
import { createRotatedTokens } from './rotated-tokens.ts'
import { createUnknownOutcomeResolver } from './unknown-outcome-resolver.ts'
import { createVouching, type RestoredMode, type Vouching } from './vouching.ts'
import type { Witness } from './witness.ts'

export interface RefreshTokenCustody {
  readonly custody: Custody
  readonly exchange: RefreshTokenExchange
  readonly vouching: Pick<Vouching, 'accept' | 'age'>
  /** Runs work that may fail, because it is repeated later. */
  tried(work: Promise<unknown>): Promise<void>
  maintainer(work: MaintainerWork): RefreshTokenMaintainer
  /** Starts to check whether the store is an old copy. */
  start(): void
  /** After this call, no refresh token is presented. */
  stop(): Promise<void>
}

/** Settings for the detection of an old store. */
export interface AgeSettings {
  /** Absent: there is no disk. */
  readonly witness: Witness | undefined
  readonly mode: RestoredMode
  /** How long other replicas may report what they know, after the store starts a new run. */
  readonly graceMs: number
}

type MaintainerWork = Pick<RefreshTokenMaintainerDependencies, 'settle' | 'exercise' | 'idleDaysOf'>

interface CustodyComposition {
  readonly core: Core<StoreEvents>
  readonly age: AgeSettings
  /** Why refresh tokens must not be used with this store. Undefined: they may. */
  readonly trouble: string | undefined
  readonly audit: Pick<AuditLog, 'background'>
  /** Revokes a token at Salesforce, at once or later. Returns the code of a failure. */
  readonly endToken: (
    loginUrl: string,
    of: {
      readonly integration: string
      readonly tokenId: string
      readonly accessToken: Secret
      readonly dpop?: KeyBinding
    },
  ) => Promise<string | undefined>
  readonly onLost: (reason: LostReason) => void
}

/** Interval of looks while refresh tokens wait for a decision. */
const LOOK_MS = 1_000

export function composeCustody(dependencies: CustodyComposition): RefreshTokenCustody {
  const { core, audit, onLost } = dependencies
  const { keyring, events, runtime, log } = core
  const { custody: records, outcomes } = core.store
  const store = createCustodyStore({ custody: records, keyring })
  const endToken = (
    loginUrl: string,
    {
      integration,
      token,
      dpopKey: key,
    }: {
      readonly integration: string
      readonly token: Secret
      readonly dpopKey?: StoredDpopKey
    },
  ) =>
    dependencies.endToken(loginUrl, {
      integration,
      tokenId: refreshTokenIdOf(token),
      accessToken: token,
      ...(key && { dpop: { key } }),
    })

  const forgetRefusal = async ({ name }: CustodyTarget): Promise<void> => {
    await outcomes.forgetRefusal(name)
  }

  const dropLeaseOf = async ({ name, uid }: CustodyTarget): Promise<void> => {
    if (await dropLease(outcomes, { name, uid })) return
    log.warn({ integration: name }, 'the lease of a former connection could not be removed')
  }

  const custody = createCustody({
    ...{ store, runtime, dropLease: dropLeaseOf, forgetRefusal, endToken, audit, log },
  })
  const rotated = createRotatedTokens({ store, runtime, log })
  const vouching = createVouching({
    ...{ custody: records, ...dependencies.age, putBack: rotated.putBack },
    ...{ runtime, log },
  })
  const intents = createIntents({
    ...{ custody: records, trouble: dependencies.trouble, vouching },
    ...{ runtime, log },
  })
  const resolver = createUnknownOutcomeResolver({
    ...{ store, custody: records, onLost, audit, log },
    leaseEndsAt: async (name) => (await outcomes.look(name))?.outcome.lease?.expiresAt,
  })
  const ageOutage = createOutageLogger(log, 'the age of the store cannot be checked', runtime)
  const looks = createTask({
    ...{ runtime, outage: ageOutage, retryMs: LOOK_MS },
    async work() {
      await vouching.tend()
      return vouching.isSettled() ? pauseUntil(Number.POSITIVE_INFINITY, 0, LOOK_MS) : LOOK_MS
    },
  })
  const tried = async (work: Promise<unknown>) => {
    try {
      await work
    } catch (error) {
      log.warn({ err: error }, 'refresh tokens could not be maintained')
    }
  }
  events.on('store.changed', ({ type }) => {
    // Learns the presentations of other replicas before the store can lose them.
    if (type === 'custody') vouching.look().catch(ageOutage.report)
  })
  let age: string | undefined
  events.on('store.pulse', (pulse) => {
    if (pulse.age !== age) looks.wake()
    age = pulse.age
  })
  // The server may have restarted, with an older content.
  events.on('store.heard', looks.wake)
  // No refresh token is used before Salesforce was asked about it.
  events.on('store.rewound', () => tried(vouching.rewound()))
  return {
    custody,
    vouching,
    tried,
    start: looks.start,
    exchange: createExchange({
      ...{ store, intents, rotated, resolver, onRewound: vouching.rewound, endToken },
    }),
    maintainer: (work) =>
      createRefreshTokenMaintainer({
        ...{ ...work, custody: records, runtime, log },
        outage: createOutageLogger(log, 'refresh tokens cannot be maintained', runtime),
      }),
    async stop() {
      intents.stop()
      await looks.stop()
    },
  }
}
