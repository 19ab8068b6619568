/** One replica of the lease engine in the model: its way to the store, and when it could reach it. */

import type { Keyring } from '../../src/crypto/keyring.ts'
import { createMacs } from '../../src/crypto/macs.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { composeFreezeGate, composeFreezes } from '../../src/freezes/compose.ts'
import type { Freezing } from '../../src/freezes/freezing.ts'
import { createHostRules } from '../../src/http/outbound/login-host.ts'
import { composeIntegrations } from '../../src/integrations/compose.ts'
import type { IntegrationEvents } from '../../src/integrations/integration-events.ts'
import { createRegistry, type Registry } from '../../src/integrations/registry.ts'
import { createLogger } from '../../src/logger/logger.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { createStoreClock } from '../../src/runtime/store-clock.ts'
import {
  type ChangeSubscription,
  createChangeSubscription,
} from '../../src/store/change-subscription.ts'
import { heardAtOnce } from '../../src/store/heard-at-once.ts'
import type { Store } from '../../src/store/store.ts'
import type { StoreEvents } from '../../src/store/store-events.ts'
import { composeLeaseEngine, type LeaseEngine } from '../../src/tokens/compose.ts'
import type { TokenEvents } from '../../src/tokens/token-events.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'
import type { FakeSalesforce } from './fake-salesforce.ts'
import type { FakeTime } from './fake-time.ts'
import { createFaultyStore, type LinkMode } from './faulty-store.ts'

/** From when to when the store could be reached; the last one is open while it can. */
export interface Reach {
  readonly from: number
  until: number
}

export interface Replica {
  readonly engine: LeaseEngine
  readonly subscription: ChangeSubscription
  readonly registry: Registry
  readonly freezing: Freezing
  readonly reaches: readonly Reach[]
  link(mode: LinkMode): void
  mode(): LinkMode
  /** As if the process were killed. */
  crash(): void
  /** Settles with the crash. */
  readonly gone: Promise<void>
}

export interface World {
  readonly time: FakeTime
  readonly store: Store
  readonly salesforce: FakeSalesforce
  readonly random: () => number
  readonly degradedMs: number
  readonly uniqueId: () => string
}

const QUIET = createLogger({ level: 'silent' })

/** Bound to the record, as the real one is; but open. */
const keyring: Keyring = {
  sealingKeyId: 'k',
  keyIds: ['k'],
  macs: createMacs([{ id: 'k', key: new Uint8Array(32) }]),
  pseudonyms: createMacs([{ id: 'k', key: new Uint8Array(32) }], 'other'),
  seal: async (record, text) => JSON.stringify([record, text]),
  async open(record, sealed) {
    const [bound, text] = JSON.parse(sealed) as [string, string]
    if (bound !== record) throw new BrokerError('record_corrupt', 'It belongs to another record')
    return text
  },
  reseal: async (sealed) => sealed,
  learn: () => undefined,
}

export function startReplica(world: World): Replica {
  const { time, salesforce, random, degradedMs, uniqueId } = world
  const { now, monotonic, sleep } = time
  const faulty = createFaultyStore({ store: world.store, random, sleep })
  const events = createEvents<StoreEvents & IntegrationEvents & TokenEvents>()
  const store = { ...faulty.store, outcomes: heardAtOnce(faulty.store.outcomes, events) }
  const { promise: gone, resolve: go } = Promise.withResolvers<void>()
  const reaches: Reach[] = [{ from: now(), until: Number.POSITIVE_INFINITY }]
  const clock = createStoreClock({ wall: now, monotonic, onSkew: () => undefined })
  const runtime = { now: clock.now, wall: now, monotonic, sleep, random, uniqueId, clock }
  const { signal: stopping } = new AbortController()
  const core = { runtime, log: QUIET, events, store, keyring, stopping }
  const audit = { background: () => undefined }

  const integrations = composeIntegrations({
    ...{ core, audit, signers: NO_SIGNERS, hosts: createHostRules([]) },
  })
  const subscription = createChangeSubscription({
    changes: store.changes,
    events,
    runtime,
    log: QUIET,
  })
  const memory = { stream: subscription, monotonic, isSlow: () => false, degradedMs }
  const gate = composeFreezeGate(core, memory)
  const engine = composeLeaseEngine({
    core,
    salesforce: { endpoint: salesforce.endpoint, signers: NO_SIGNERS },
    audit,
    meter: {
      broker: (broker) => broker,
      requester: (requester) => requester,
      waits: (subscription) => subscription,
      refreshes: (coordinator) => coordinator,
      refreshed: () => undefined,
      connectionLost: () => undefined,
      loginLoop: () => undefined,
    },
    integrations,
    memory: { ...memory, freezes: gate },
    refreshTokens: {
      trouble: undefined,
      age: { witness: undefined, mode: 'ask', graceMs: 0 },
    },
  })
  const { frozen: tokens, custody } = engine
  const freezes = composeFreezes({ ...{ core, gate, integrations, tokens, custody, audit } })
  subscription.start()
  engine.start()
  freezes.start()

  const link = (mode: LinkMode) => {
    const was = faulty.mode
    if (was === 'dead' || was === mode) return
    faulty.mode = mode
    const last = reaches.at(-1)
    if (was === 'up' && last) last.until = now()
    if (mode === 'up') reaches.push({ from: now(), until: Number.POSITIVE_INFINITY })
  }

  return {
    engine,
    subscription,
    registry: createRegistry(integrations.rules),
    freezing: freezes.freezing,
    reaches,
    link,
    mode: () => faulty.mode,
    gone,
    crash() {
      link('dead')
      go()
      // Its loops end; what is under way never comes to anything.
      void freezes.stop()
      void engine.stop()
      void subscription.stop()
    },
  }
}
