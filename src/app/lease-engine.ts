/** Wires what finds, mints, refreshes and ends leases. */
import type { Actor } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Custody } from '../custody/custody.ts'
import type { GrantContext } from '../grants/grant.ts'
import type { TokenEndpoint } from '../grants/token-endpoint.ts'
import { type Integration, presentsRefreshToken } from '../integrations/integration.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'
import type { Logger } from '../logger.ts'
import type { Change, Store } from '../store/store.ts'
import type { StoreClock } from '../store/store-clock.ts'
import { createAttempts } from '../tokens/attempts.ts'
import { createBreaker } from '../tokens/breaker.ts'
import { type Broker, createBroker } from '../tokens/broker.ts'
import { createConnected, hasRefreshToken } from '../tokens/connected.ts'
import { createDoctorMint, type DoctorMint } from '../tokens/doctor-mint.ts'
import { createFlight } from '../tokens/flight.ts'
import { createHearing, type Hearing } from '../tokens/hearing.ts'
import { createIdentityGuard } from '../tokens/identity-guard.ts'
import { createInsideLease, type InsideLease } from '../tokens/inside-lease.ts'
import type { Lease } from '../tokens/lease.ts'
import { createLeaseCache, type LeaseCache } from '../tokens/lease-cache.ts'
import { createLeaseReader } from '../tokens/lease-reader.ts'
import { createLeaseStore } from '../tokens/lease-store.ts'
import { createLoginBudget } from '../tokens/login-budget.ts'
import { createMinter, type PromotionHooks } from '../tokens/mint.ts'
import { refusedEvent } from '../tokens/mint-event.ts'
import { createPinStore } from '../tokens/pin-store.ts'
import { createProver, type Prover } from '../tokens/prover.ts'
import { createReconciler } from '../tokens/reconciler.ts'
import { logRefreshed } from '../tokens/refresh-log.ts'
import { createRefresher } from '../tokens/refresher.ts'
import { rememberIntegrations } from '../tokens/remembered-integrations.ts'
import { endingConnections, type Revoker } from '../tokens/revocation.ts'
import { createSingleFlight } from '../tokens/single-flight.ts'
import { createStatusReader, type StatusReader } from '../tokens/status.ts'
import { createStoreless } from '../tokens/storeless.ts'
import { readSubject, rememberSubject, type Subject } from '../tokens/subject.ts'
import { createSubjectTokens } from '../tokens/subject-tokens.ts'
import { createTokenRequester } from '../tokens/token-request.ts'
import { createTrouble } from '../tokens/trouble.ts'
import { type AgeSettings, composeCustody, type RefreshTokens } from './custody.ts'
import type { EngineMeter } from './engine-meter.ts'
import { composeRevocation } from './revocation.ts'

export interface LeaseEngine extends Prover {
  readonly broker: Broker
  readonly revoker: Revoker
  readonly status: StatusReader
  readonly cache: LeaseCache
  readonly insideLease: InsideLease
  /** What the requests of grants may use. */
  readonly grants: GrantContext
  readonly doctorMint: DoctorMint
  readonly hearing: Hearing
  readonly custody: Custody
  /** Takes over the refresh token that came with the active credential, which the next mint does else; ends the connection of what has another grant now. Never throws. */
  followDefinition(integration: Integration): Promise<void>
  /** Whether the store may be an old one. */
  readonly age: Pick<RefreshTokens['vouching'], 'accept' | 'age'>
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
  /** Learns from what the store says here; all times of leases are by it. */
  readonly clock: StoreClock
  /** By this machine. */
  readonly wall: () => number
  readonly monotonic: () => number
  readonly random: () => number
  readonly uniqueId: () => string
  /** The process ends: what fails is not tried again. */
  readonly stopping?: AbortSignal
  /** Ends early, without a failure, when the signal does. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export function composeLeaseEngine(dependencies: LeaseEngineDependencies): LeaseEngine {
  const { store, keyring, endpoint, audit, meter, log, isSlow, storelessMs } = dependencies
  const { onChange, onGap, clock, wall, monotonic, random, uniqueId, sleep } = dependencies
  const { now } = clock
  const stopping = new AbortController()
  const trouble = (what: string) => createTrouble(log, what, monotonic)
  const streamTrouble = trouble('the change stream cannot be read')
  const dueTrouble = trouble('the due index cannot be read or written')

  const hearing = createHearing({
    changes: store.changes,
    now: wall,
    monotonic,
    random,
    sleep,
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
    ...{ store, keyring, endpoint, leases, audit, now, monotonic, sleep, log },
  })
  const refreshTokens = composeCustody({
    ...{ store, keyring, audit, endToken: tokenRevoker.endToken, uniqueId, now, monotonic },
    ...{ onLost: meter.connectionLost, age: dependencies.storeAge, sleep, log },
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
    connected: createConnected({ custody, exchange }),
  })

  const budget = createLoginBudget({ budgets: store.budgets, now })

  const onMinted = (lease: Lease, by: Actor, subject?: Promise<Subject | undefined>) => {
    const { integration, tokenId } = lease
    audit.background(by, { action: 'token.minted', integration, tokenId })
    rememberSubject(store.documents, lease, subject).catch((error: unknown) => {
      log.warn({ err: error, integration }, 'the subject could not be remembered')
    })
  }
  const onRefused = (name: string, error: unknown, by: Actor) =>
    audit.background(by, refusedEvent(name, error))

  const storeless = createStoreless({
    ...{ minter, attempts, flights, now, monotonic, onMinted, onRefused },
  })
  const flight = createFlight({
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
    now,
    random,
    sleep,
    onRefreshed(refreshed) {
      meter.refreshed(refreshed)
      logRefreshed(refreshed, log)
    },
    onWorking: dueTrouble.over,
    onTrouble: dueTrouble.report,
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
