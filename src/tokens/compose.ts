/** Composes the parts that find, mint, refresh and end leases. */
import type { AuditLog } from '../audit/log.ts'
import { type AgeSettings, composeCustody, type RefreshTokenCustody } from '../custody/compose.ts'
import type { Custody } from '../custody/custody.ts'
import type { FreezeGate } from '../freezes/freeze-gate.ts'
import type { FrozenTokens } from '../freezes/frozen-tokens.ts'
import type { GrantContext } from '../grants/grant.ts'
import type { TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import { createIdentityGuard } from '../identity/identity-guard.ts'
import { createPinStore } from '../identity/pin-store.ts'
import { readSubject } from '../identity/subject.ts'
import type { Integrations } from '../integrations/compose.ts'
import { presentsRefreshToken } from '../integrations/integration.ts'
import type { IntegrationEvents } from '../integrations/integration-events.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { ProcessRuntime } from '../runtime/runtime.ts'
import type { Signers } from '../signers/signers.ts'
import type { ChangeSubscription } from '../store/change-subscription.ts'
import type { Core } from '../store/core.ts'
import type { ReplicaMemory } from '../store/replica-cache.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { wakeByStore } from '../store/stream/wakes.ts'
import type { EngineMeter } from './engine-meter.ts'
import { createTokenLook, type TokenLook } from './look/token-look.ts'
import { type Breaker, createBreaker } from './mint/breaker.ts'
import { createDoctorMint, type DoctorMint } from './mint/doctor-mint.ts'
import { createExercise } from './mint/exercise.ts'
import { createLeaseRecords } from './mint/lease-records.ts'
import { createLifeLearner } from './mint/life-learner.ts'
import { createLoginBudget } from './mint/login-budget.ts'
import { createLogins } from './mint/logins.ts'
import { createMinter } from './mint/mint.ts'
import { createMintCoordinator } from './mint/mint-coordinator.ts'
import { createMintAudit } from './mint/mint-event.ts'
import type { Identities } from './mint/opened-integration.ts'
import { type CredentialProver, createProver } from './mint/prover.ts'
import { createStoreReads } from './mint/retry.ts'
import { createSingleFlight } from './mint/single-flight.ts'
import { createSubjectTokens } from './mint/subject-tokens.ts'
import { createRefreshTokenPreflight, hasRefreshToken } from './refresh/preflight.ts'
import { createReconciler } from './refresh/reconciler.ts'
import { logRefreshed } from './refresh/refresh-log.ts'
import { createRefresher } from './refresh/refresher.ts'
import { composeRevocation } from './revoke/compose.ts'
import { createDropDependents } from './revoke/dependents.ts'
import { endingConnections, type Revoker } from './revoke/revocation.ts'
import { type Broker, createBroker } from './serve/broker.ts'
import { createDegradedMode } from './serve/degraded-mode.ts'
import { createHeldLeases, type HeldLeases } from './serve/held-leases.ts'
import { createInsideLease, type InsideLease } from './serve/inside-lease.ts'
import { createLeaseCache, type LeaseCache } from './serve/lease-cache.ts'
import { createLeaseReader } from './serve/lease-reader.ts'
import { createLeaseStore } from './serve/lease-store.ts'
import { rememberIntegrations } from './serve/remembered-integrations.ts'
import { createStatusReader, type StatusReader } from './serve/status.ts'
import { createTokenRequester } from './serve/token-request.ts'
import type { TokenEvents } from './token-events.ts'

export interface LeaseEngine extends CredentialProver {
  readonly broker: Broker
  readonly revoker: Revoker
  readonly status: StatusReader
  readonly cache: LeaseCache
  readonly insideLease: InsideLease
  /** Whether tokens live. */
  readonly tokens: TokenLook
  readonly held: HeldLeases
  readonly frozen: FrozenTokens
  readonly grants: GrantContext
  readonly doctorMint: DoctorMint
  readonly custody: Custody
  /** Whether the store may be an old copy. */
  readonly age: RefreshTokenCustody['vouching']
  /** What gets no logins now but probes. */
  readonly resting: Breaker['counts']
  start(): void
  /** Aborts mints and releases locks. */
  stop(): Promise<void>
}

interface LeaseEngineDependencies {
  /** The engine sets the clock of this runtime by the time of the store. */
  readonly core: Core<StoreEvents & IntegrationEvents & TokenEvents> & {
    readonly runtime: ProcessRuntime
  }
  readonly salesforce: { readonly endpoint: TokenEndpoint; readonly signers: Signers }
  readonly audit: Pick<AuditLog, 'background'>
  readonly meter: EngineMeter
  readonly integrations: Pick<
    Integrations,
    'read' | 'readSealed' | 'sealedAs' | 'list' | 'credentials' | 'outside'
  >
  /** Says when leases in memory may be served. */
  readonly memory: ReplicaMemory & {
    readonly stream: ChangeSubscription
    readonly freezes: FreezeGate
  }
  readonly refreshTokens: {
    /** Why refresh tokens must not be used with this store. Undefined: they may. */
    readonly trouble: string | undefined
    readonly age: AgeSettings
  }
}

export function composeLeaseEngine(dependencies: LeaseEngineDependencies): LeaseEngine {
  const { core, audit, meter, memory } = dependencies
  const { endpoint, signers } = dependencies.salesforce
  const { store, keyring, events, runtime, log } = core
  const { stream, isSlow, degradedMs, freezes } = memory
  const { now, monotonic, uniqueId, clock } = runtime
  const stopping = new AbortController()
  const dueTrouble = createOutageLogger(log, 'the due index cannot be read or written', runtime)

  const leases = createLeaseStore({
    ...{ outcomes: store.outcomes, keyring, freezes },
    endFrozen: (lease) => tokenRevoker.endFrozen(lease),
  })
  const cache = createLeaseCache({ ...memory, open: leases.open })
  events.on('store.changed', cache.heard)
  events.on('store.gap', cache.distrust)
  events.on('outcome.changed', cache.heard)
  events.on('integration.written', ({ name, written }) => cache.written(name, written?.rev))
  const flights = createSingleFlight({ locks: store.locks, uniqueId, log })
  const { locks, changes } = store
  const breaker = createBreaker({ locks, changes, uniqueId, monotonic, log })
  events.on('store.changed', breaker.heard)
  const tokens = createTokenLook({
    ...{ endpoint, locks, changes, runtime, log },
    integrationOf: (name) => cache.known(name)?.integration,
  })
  events.on('store.changed', tokens.heard)
  /** Pauses end when the engine stops. */
  const pausing = { ...runtime, sleep: (ms: number) => runtime.sleep(ms, stopping.signal) }
  const untilRead = createStoreReads({ stream, runtime: pausing, stopping: stopping.signal })
  const reader = createLeaseReader({
    cache,
    outcomes: {
      async look(name) {
        const asked = clock.moment()
        const look = await store.outcomes.look(name)
        if (look) clock.learn(look.now, asked, clock.moment())
        return look
      },
    },
    ...{ flights, isSlow, runtime, untilRead },
    subscription: meter.waits(stream),
  })
  const pins = createPinStore(store.documents)
  const identity: Identities = {
    ...createIdentityGuard({ pins, audit, now, log }),
    subjectOf: (integration) => readSubject(store.documents, integration),
  }
  const integrations = rememberIntegrations({ store: dependencies.integrations, degradedMs })
  const {
    revoker: tokenRevoker,
    queue,
    frozen,
  } = composeRevocation({
    ...{ core, endpoint, leases, audit },
  })
  const refreshTokens = composeCustody({
    ...{ core, audit, endToken: tokenRevoker.endToken, onLost: meter.connectionLost },
    ...dependencies.refreshTokens,
  })
  const { custody, exchange } = refreshTokens
  const revoker = endingConnections(tokenRevoker, custody)
  events.on(
    'integration.tokens_changed',
    createDropDependents({
      integrations: dependencies.integrations,
      outcomes: store.outcomes,
      log,
    }),
  )
  const leaseFor = (purpose: string) =>
    createInsideLease({ reader, coordinator, freezes, purpose, now })
  const subjectTokens = createSubjectTokens((...of) => leaseFor('exchange')(...of))
  const grants: GrantContext = { endpoint, subjectTokens, signers, now, uniqueId }
  const requester = createTokenRequester({ grants, refreshTokens: exchange, runtime, log })
  const minter = createMinter({
    integrations: {
      ...integrations,
      requireThawed: freezes.require,
      filled: dependencies.integrations.outside.filled,
    },
    ...{ identity, runtime: pausing },
    credentials: dependencies.integrations.credentials,
    events,
    requester: meter.requester(requester),
    preflight: createRefreshTokenPreflight({ custody, exchange }),
  })

  const budget = createLoginBudget({ budgets: store.budgets, now })

  const logins = createLogins({
    ...{ minter, identity, budget, breaker, signers, runtime: pausing },
    stopping: core.stopping,
  })
  const mintAudit = createMintAudit({ audit, documents: store.documents, log })
  const records = createLeaseRecords({
    ...{ reader, cache, leases, outcomes: store.outcomes, audit: mintAudit, runtime, log },
  })
  const degraded = createDegradedMode({ logins, flights, audit: mintAudit, runtime })
  const life = createLifeLearner({
    ...{ minter, records, flights, degraded, revoker: tokenRevoker },
    coordinator: createMintCoordinator({
      ...{ records, logins, flights, degraded, audit: mintAudit, runtime: pausing },
      revoker: tokenRevoker,
    }),
    host: { runtime, log, stopping: stopping.signal },
  })
  const { coordinator } = life
  const unmetered = createBroker({
    ...{ reader: { ...reader, freezes }, life, degraded },
    due: {
      async mark(name, dueAt) {
        await store.due.mark(name, dueAt)
        refresher.expect(dueAt)
      },
    },
    async prepare(integration) {
      await Promise.all([integrations.prepare(integration), identity.known(integration)])
    },
    ...{ now, onTrouble: dueTrouble.report },
  })
  const refresher = createRefresher({
    ...{ due: store.due, look: reader.look, runtime },
    coordinator: meter.refreshes(coordinator),
    onRefreshed(refreshed) {
      meter.refreshed(refreshed)
      logRefreshed(refreshed, log)
    },
    outage: dueTrouble,
  })

  let due: string | undefined
  events.on('store.pulse', (pulse) => {
    if (pulse.due !== due) refresher.heard()
    due = pulse.due
    refresher.tick()
  })
  events.on('store.heard', refresher.heard)

  const reconciler = createReconciler({
    async learnTime() {
      const asked = clock.moment()
      clock.learn(await store.now(), asked, clock.moment())
    },
    degraded,
    look: reader.look,
    coordinator,
    flights,
    untilDone: untilRead,
    log,
  })

  const maintainer = refreshTokens.maintainer({
    settle: minter.settle,
    async idleDaysOf(name, uid) {
      const integration = (await reader.look(name))?.integration
      const isKept = integration?.uid === uid && integration.enabled
      return isKept ? integration.refreshTokenIdleDays : undefined
    },
    exercise: createExercise({ look: reader.look, coordinator, now }),
  })
  wakeByStore(core, maintainer, ({ type }) => type === 'custody')
  const prover = createProver({ records, logins, runtime })
  events.on('store.heard', reconciler.begin)
  events.on('integration.written', async ({ name, written }) => {
    const integration = written?.integration
    if (!integration) return integrations.forget(name)
    // If this fails, the next mint adopts the refresh token.
    if (hasRefreshToken(integration)) await refreshTokens.tried(minter.adopt(integration.name))
    // After a change to another grant, the unused connection ends.
    if (!presentsRefreshToken(integration)) await refreshTokens.tried(custody.end(integration))
  })
  const doctorMint = createDoctorMint({
    ...{ records, logins, flights, audit: mintAudit, runtime: pausing, log },
  })

  return {
    ...prover,
    ...{ doctorMint, revoker, custody, cache, tokens, frozen, grants },
    broker: meter.broker(unmetered),
    resting: breaker.counts,
    age: refreshTokens.vouching,
    status: createStatusReader({ store, leases, pins, custody, freezes, now }),
    insideLease: leaseFor('deployment'),
    held: createHeldLeases({ reader, cache, outcomes: store.outcomes, freezes, now }),
    start() {
      for (const part of [refreshTokens, refresher, queue, maintainer]) part.start()
    },
    async stop() {
      stopping.abort()
      const ended = refreshTokens.stop()
      await Promise.all([ended, refresher.stop(), queue.stop(), maintainer.stop()])
      await flights.settled()
    },
  }
}
