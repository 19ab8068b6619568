/** Samples of single integrations, read from the store in the background. Scrapes start the reads but do not wait for them. */

import { activeOf } from '../credentials/credential.ts'
import type { ConnectionState } from '../custody/connection.ts'
import { isStoreTrouble } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import { readSubject } from '../identity/subject.ts'
import { everyIntegration } from '../integrations/every.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import type { Store } from '../store/store.ts'
import { HOUR_MS, loginBudgetKey, userBudgetKey } from '../tokens/mint/login-budget.ts'
import { lastRefusalOf } from '../tokens/mint/refusal-memory.ts'
import type { StatusReader } from '../tokens/serve/status.ts'

interface IntegrationLabels {
  readonly integration: string
  readonly environment: string
  readonly owner: string
}

interface CertificateSample {
  readonly labels: IntegrationLabels
  /** Epoch milliseconds. */
  readonly notAfter: number
}

interface UseSample {
  readonly labels: IntegrationLabels
  /** Why its last login was refused or its token withheld, if somebody must act. */
  readonly refusedFor: string | undefined
  readonly loginsLastHour: number
  readonly loginsPerHour: number
  /** Logins of its Salesforce user by all integrations. */
  readonly userLoginsLastHour: number
  /** Undefined: it has no refresh token. */
  readonly isConnectionLost: boolean | undefined
}

export interface Samples {
  /** How many integrations have each state, by the index of lists. Undefined: it is being built, or cannot be read. */
  readonly states: ReadonlyMap<string, number> | undefined
  /** Sorted by expiry, the earliest first. */
  readonly certificates: readonly CertificateSample[]
  /** Refused and unconnected ones first, then by the share of the budget that is used. */
  readonly used: readonly UseSample[]
  /** The number of used integrations that are not in `used`. */
  readonly unsampled: number
  /** When they were read, in milliseconds of the monotonic clock. Undefined: not read yet. */
  readonly at: number | undefined
}

export interface IntegrationSamplesDependencies {
  readonly integrations: Pick<IntegrationStore, 'list'>
  readonly store: Pick<Store, 'outcomes' | 'budgets' | 'documents' | 'listing'>
  readonly connectionOf: StatusReader['connectionOf']
  /** Whether this replica has the integration in memory. */
  readonly isKnown: (name: string) => boolean
  readonly runtime: Pick<Runtime, 'monotonic'>
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** More than there are. */
const STATES_MAX = 100
/** Minimum time between two reads. */
const FRESH_MS = 10_000
/** Most used integrations with samples. Limits the series of their metrics. */
const USED_MAX = 1_000

/** Refusals that last until somebody acts. */
export const REFUSED_CODES = [
  'grant_refused',
  'identity_changed',
  'token_not_bound',
  'token_response_invalid',
  'integration_not_connected',
] as const satisfies readonly ProblemCode[]

const REFUSED: ReadonlySet<unknown> = new Set(REFUSED_CODES)

export function createIntegrationSamples(dependencies: IntegrationSamplesDependencies) {
  const { integrations, store, connectionOf, isKnown, runtime, log } = dependencies
  const { outcomes, budgets, documents, listing } = store
  const { monotonic } = runtime
  const stopped = new AbortController()
  /** Used by this replica since its start. Memory forgets an integration at each change. */
  let used: ReadonlySet<string> = new Set()
  let samples: Samples = {
    ...{ states: undefined, certificates: [], used: [], unsampled: 0, at: undefined },
  }
  let running: Promise<void> | undefined
  let isAway = false

  const lookAt = async (integration: Integration): Promise<UseSample> => {
    const { name, version, loginsPerHour } = integration
    const subject = readSubject(documents, integration)
    const [look, connection, loginsLastHour, userLoginsLastHour] = await Promise.all([
      outcomes.look(name),
      connectionOf(integration),
      budgets.used(loginBudgetKey(integration), HOUR_MS),
      subject.then((user) => budgets.used(userBudgetKey(integration, user), HOUR_MS)),
    ])
    const refusal = look?.outcome.refusal
    const { code, reason } =
      refusal?.version === version ? lastRefusalOf(name, refusal).refusal : {}
    const refusedFor = REFUSED.has(code) ? String(reason ?? code) : undefined
    return {
      ...{ labels: labelsOf(integration), refusedFor, loginsPerHour },
      ...{ loginsLastHour, userLoginsLastHour },
      isConnectionLost: connection && integration.enabled && isLost(connection),
    }
  }

  const statesNow = async (): Promise<Samples['states']> => {
    try {
      const { isWhole } = await listing.stale(1)
      if (!isWhole) return undefined
      const { groups } = await listing.counts('state', STATES_MAX)
      return new Map(groups.map(({ group, count }) => [group.slice('state/'.length), count]))
    } catch (error) {
      // A store that takes no change refuses to mark. The other samples are there all the same.
      if (isStoreTrouble(error)) return undefined
      throw error
    }
  }

  const take = async () => {
    const certificates: CertificateSample[] = []
    const inUse: Integration[] = []
    for await (const integration of everyIntegration(integrations)) {
      if (stopped.signal.aborted) return
      const certificate = activeOf(integration.credentials)?.certificate
      if (certificate) {
        certificates.push({ labels: labelsOf(integration), notAfter: certificate.notAfter })
      }
      if (used.has(integration.name) || isKnown(integration.name)) inUse.push(integration)
    }
    const looked: UseSample[] = []
    for (const integration of inUse.slice(0, USED_MAX)) {
      if (stopped.signal.aborted) return
      const sample = await unlessUnusable(lookAt(integration))
      if (sample) looked.push(sample)
    }
    used = new Set(inUse.map(({ name }) => name))
    samples = {
      states: await statesNow(),
      certificates: certificates.sort((a, b) => a.notAfter - b.notAfter),
      used: looked.sort((a, b) => urgency(b) - urgency(a)),
      unsampled: inUse.length - looked.length,
      at: monotonic(),
    }
  }

  const run = async () => {
    try {
      await take()
      if (isAway) log.info({}, 'metrics of integrations can be read again')
      isAway = false
    } catch (error) {
      if (!isAway) log.warn({ err: error }, 'metrics of integrations cannot be read')
      isAway = true
    } finally {
      running = undefined
    }
  }

  return {
    /** Reads the samples in the background, unless they are fresh. */
    refresh(): void {
      if (
        stopped.signal.aborted ||
        monotonic() - (samples.at ?? Number.NEGATIVE_INFINITY) < FRESH_MS
      )
        return
      running ??= run()
    },
    async stop(): Promise<void> {
      stopped.abort()
      await running
    },
    latest: (): Samples => samples,
  }
}

/** A connection that an operator ended or never made is not lost. */
const isLost = ({ state, reason }: ConnectionState): boolean =>
  state === 'not_connected' && reason !== 'disconnected' && reason !== 'never_connected'

export const labelsOf = ({
  name,
  labels,
}: Pick<Integration, 'name' | 'labels'>): IntegrationLabels => ({
  integration: name,
  environment: labels.environment ?? '',
  owner: labels.owner ?? '',
})

const urgency = ({ refusedFor, isConnectionLost, loginsLastHour, loginsPerHour }: UseSample) =>
  (refusedFor !== undefined || isConnectionLost ? 1_000 : 0) + loginsLastHour / loginsPerHour
