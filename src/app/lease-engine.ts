/** Wires what finds, mints, refreshes and ends leases. */
import type { Actor } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Custody } from '../custody/custody.ts'
import type { GrantContext } from '../grants/grant.ts'
import type { TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import { createIdentityGuard } from '../identity/identity-guard.ts'
import { createPinStore } from '../identity/pin-store.ts'
import { readSubject, rememberSubject, type TokenSubject } from '../identity/subject.ts'
import { type Integration, presentsRefreshToken } from '../integrations/integration.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'
import type { Logger } from '../logger/logger.ts'
import type { EngineMeter } from '../metrics/engine-meter.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { ProcessRuntime } from '../runtime/runtime.ts'
import type { Change, Store } from '../store/store.ts'
import { createAttempts } from '../tokens/mint/attempts.ts'
import { createBreaker } from '../tokens/mint/breaker.ts'
import { createDoctorMint, type DoctorMint } from '../tokens/mint/doctor-mint.ts'
import { createLoginBudget } from '../tokens/mint/login-budget.ts'
import { createMinter, type PromotionHooks } from '../tokens/mint/mint.ts'
import { createMintCoordinator } from '../tokens/mint/mint-coordinator.ts'
import { refusedEvent } from '../tokens/mint/mint-event.ts'
import { type CredentialProver, createProver } from '../tokens/mint/prover.ts'
import { createSingleFlight } from '../tokens/mint/single-flight.ts'
import { createSubjectTokens } from '../tokens/mint/subject-tokens.ts'
import { createRefreshTokenPreflight, hasRefreshToken } from '../tokens/refresh/preflight.ts'
import { createReconciler } from '../tokens/refresh/reconciler.ts'
import { logRefreshed } from '../tokens/refresh/refresh-log.ts'
import { createRefresher } from '../tokens/refresh/refresher.ts'
import { endingConnections, type Revoker } from '../tokens/revoke/revocation.ts'
import { type Broker, createBroker } from '../tokens/serve/broker.ts'
import { createDegradedMode } from '../tokens/serve/degraded-mode.ts'
import { createInsideLease, type InsideLease } from '../tokens/serve/inside-lease.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { createLeaseCache, type LeaseCache } from '../tokens/serve/lease-cache.ts'
import { createLeaseReader } from '../tokens/serve/lease-reader.ts'
import { createLeaseStore } from '../tokens/serve/lease-store.ts'
import { rememberIntegrations } from '../tokens/serve/remembered-integrations.ts'
import { createStatusReader, type StatusReader } from '../tokens/serve/status.ts'
import { type ChangeSubscription, createChangeSubscription } from '../tokens/serve/subscription.ts'
import { createTokenRequester } from '../tokens/serve/token-request.ts'
import { type AgeSettings, composeCustody, type RefreshTokenCustody } from './custody.ts'
import { composeRevocation } from './revocation.ts'

export interface LeaseEngine extends CredentialProver {
  readonly broker: Broker
  readonly revoker: Revoker
  readonly status: StatusReader
  readonly cache: LeaseCache
  readonly insideLease: InsideLease
  /** What the requests of grants may use. */
  readonly grants: GrantContext
  readonly doctorMint: DoctorMint
  readonly hearing: ChangeSubscription
  readonly custody: Custody
  /** Takes over the refresh token that came with the active credential, which the next mint does else; ends the connection of what has another grant now. Never throws. */
  followDefinition(integration: Integration): Promise<void>
  /** Whether the store may be an old one. */
  readonly age: Pick<RefreshTokenCustody['vouching'], 'accept' | 'age'>
  /** The store went back in time: no refresh token is used before Salesforce was asked. Never throws. */
  storeRewound(): Promise<void>
  /** How many login hosts failed and are left alone. */
  restingHosts(): number
  start(): void
  /** Mints under way are ended, locks are released. */
  stop(): Promise<void>
}

export interface LeaseEngineDependencies {
  readonly store: Store
  readonly keyring: Keyring
  readonly endpoint: TokenEndpoint
  readonly audit: Pick<AuditLog, 'background'>
  readonly meter: EngineMeter
  readonly log: Logger
  /** Why no refresh token may be used in this store; undefined: they may. */
  readonly refreshTokenTrouble?: string | undefined
  /** The store answers, and too late for callers to wait. */
  readonly isSlow: () => boolean
  readonly storeAge: AgeSettings
  /** How long leases in memory may serve without word from the store. */
  readonly storelessMs: number
  readonly readSealed: (name: string) => Promise<SealedIntegration | undefined>
  readonly promotion: PromotionHooks
  /** Everything that the change stream says. */
  readonly onChange: (change: Change) => void
  /** Changes may have been missed. */
  readonly onGap: () => void
  /** Its clock learns from what the store says here. */
  readonly runtime: ProcessRuntime
  /** The process ends: what fails is not tried again. */
  readonly stopping?: AbortSignal
}

export function composeLeaseEngine(dependencies: LeaseEngineDependencies): LeaseEngine {
  const { store, keyring, endpoint, audit, meter, log, isSlow, storelessMs } = dependencies
  const { onChange, onGap, runtime } = dependencies
  const { now, monotonic, random, uniqueId, sleep, clock } = runtime
  const stopping = new AbortController()
  const trouble = (what: string) => createOutageLogger(log, what, { monotonic })
  const streamTrouble = trouble('the change stream cannot be read')
  const dueTrouble = trouble('the due index cannot be read or written')

  const hearing = createChangeSubscription({
    changes: store.changes,
    runtime,
    onChange(change) {
      cache.heard(change)
      refreshTokens.heard(change)
      onChange(change)
    },
    onGap() {
      cache.distrust()
      onGap()
    },
    onHeard() {
      streamTrouble.over()
      reconciler.begin()
    },
    onTrouble: streamTrouble.report,
  })
  const leases = createLeaseStore({ outcomes: store.outcomes, keyring })
  const cache = createLeaseCache({ hearing, open: leases.open, monotonic })
  const flights = createSingleFlight({ locks: store.locks, uniqueId, log })
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
    ...{ flights, hearing, isSlow, monotonic, storelessMs },
    sleep: (ms) => sleep(ms, stopping.signal),
  })
  const breaker = createBreaker({ monotonic, log })
  const sleepHere = (ms: number) => sleep(ms, stopping.signal)
  const attempts = createAttempts({
    ...{ breaker, monotonic, random, stopping: dependencies.stopping, sleep: sleepHere },
  })
  const pins = createPinStore(store.documents)
  const identity = createIdentityGuard({ pins, audit, now, log })
  const integrations = rememberIntegrations(dependencies.readSealed)
  const {
    revoker: tokenRevoker,
    queue,
    ends,
  } = composeRevocation({
    ...{ store, keyring, endpoint, leases, audit, runtime, log },
  })
  const refreshTokens = composeCustody({
    ...{ store, keyring, audit, endToken: tokenRevoker.endToken, runtime, log },
    ...{ onLost: meter.connectionLost, age: dependencies.storeAge },
    trouble: dependencies.refreshTokenTrouble,
  })
  const { custody, exchange } = refreshTokens
  const revoker = endingConnections(tokenRevoker, custody)
  const leaseFor = (purpose: string) => createInsideLease({ reader, flight, purpose, now })
  const subjectTokens = createSubjectTokens((...of) => leaseFor('exchange')(...of))
  const grants: GrantContext = { endpoint, subjectTokens, now, uniqueId }
  const requester = createTokenRequester({ grants, refreshTokens: exchange, now, random, log })
  const subjectOf = (integration: Pick<Integration, 'name' | 'uid'>) =>
    readSubject(store.documents, integration)
  const minter = createMinter({
    ...{ integrations, identity, subjectOf, monotonic, sleep: sleepHere },
    promotion: dependencies.promotion,
    requester: meter.requester(requester),
    connected: createRefreshTokenPreflight({ custody, exchange }),
  })

  const budget = createLoginBudget({ budgets: store.budgets, now })

  const onMinted = (lease: Lease, by: Actor, subject?: Promise<TokenSubject | undefined>) => {
    const { integration, tokenId } = lease
    audit.background(by, { action: 'token.minted', integration, tokenId })
    rememberSubject(store.documents, lease, subject).catch((error: unknown) => {
      log.warn({ err: error, integration }, 'the subject could not be remembered')
    })
  }
  const onRefused = (name: string, error: unknown, by: Actor) =>
    audit.background(by, refusedEvent(name, error))

  const storeless = createDegradedMode({
    ...{ minter, attempts, flights, now, monotonic, onMinted, onRefused },
  })
  const flight = createMintCoordinator({
    look: reader.look,
    outcomes: store.outcomes,
    ...{ cache, leases, flights, minter, attempts, identity, storeless, budget, subjectOf },
    hearing: meter.waits(hearing),
    ...{ now, monotonic, random, ...ends },
    adopt: (lease, by) => prover.adopt(lease, by),
    ...{ onMinted, onRefused },
    onUnconfirmed: (integration, err) => log.warn({ integration, err }, 'a mint is not confirmed'),
  })
  const unmetered = createBroker({
    reader,
    flight,
    storeless,
    due: store.due,
    async prepare(integration) {
      await Promise.all([integrations.prepare(integration), identity.known(integration)])
    },
    now,
    onTrouble: dueTrouble.report,
  })
  const refresher = createRefresher({
    due: store.due,
    look: reader.look,
    flight: meter.refreshes(flight),
    runtime,
    onRefreshed(refreshed) {
      meter.refreshed(refreshed)
      logRefreshed(refreshed, log)
    },
    outage: dueTrouble,
  })

  const reconciler = createReconciler({
    async learnTime() {
      const asked = clock.moment()
      clock.learn(await store.now(), asked, clock.moment())
    },
    storeless,
    look: reader.look,
    flight,
    flights,
    isHearing: hearing.isHearing,
    sleep: sleepHere,
    log,
  })

  const keeper = refreshTokens.keeper({ look: reader.look, flight, settle: minter.settle })
  const prover = createProver({
    ...{ look: reader.look, subjectOf, minter, budget, leases, onMinted, monotonic, log },
  })
  const doctorMint = createDoctorMint({
    ...{ look: reader.look, subjectOf, minter, budget, flights, breaker, onRefused },
    ...{ now, monotonic, log },
    outcomes: store.outcomes,
    adopt: prover.adopt,
    sleep: sleepHere,
  })

  return {
    ...prover,
    doctorMint,
    broker: meter.broker(unmetered),
    restingHosts: breaker.openCount,
    revoker,
    custody,
    async followDefinition(integration) {
      if (hasRefreshToken(integration)) await refreshTokens.tried(minter.adopt(integration.name))
      // Another grant leaves no approval behind that nobody uses.
      if (!presentsRefreshToken(integration)) await refreshTokens.tried(custody.end(integration))
    },
    age: refreshTokens.vouching,
    storeRewound: () => refreshTokens.tried(refreshTokens.vouching.rewound()),
    status: createStatusReader({
      outcomes: store.outcomes,
      documents: store.documents,
      budgets: store.budgets,
      leases,
      pins,
      custody,
      now,
    }),
    cache,
    insideLease: leaseFor('deployment'),
    grants,
    hearing,
    start() {
      for (const part of [hearing, refreshTokens, refresher, queue, keeper]) part.start()
    },
    async stop() {
      stopping.abort()
      const ended = refreshTokens.stop()
      await Promise.all([ended, refresher.stop(), queue.stop(), keeper.stop()])
      await flights.settled()
      await hearing.stop()
    },
  }
}
