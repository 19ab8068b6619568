/** What can happen to two replicas and their store. */
import type fc from 'fast-check'
import { PERMISSIONS, type Principal } from '../../src/callers/policy.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'
import type { FakeSalesforce, SalesforceMode } from './fake-salesforce.ts'
import type { FakeTime } from './fake-time.ts'
import type { LinkMode } from './faulty-store.ts'
import type { Change, Oracle } from './oracle.ts'
import type { Replica } from './replica.ts'

export interface Reality {
  readonly time: FakeTime
  readonly salesforce: FakeSalesforce
  readonly oracle: Oracle
  readonly replicas: Replica[]
  readonly restart: (index: number) => void
  /** Never rejects. */
  readonly underWay: Set<Promise<void>>
  /** What must not have happened. */
  readonly violations: unknown[]
  /** Tokens that were served last, by name. */
  readonly served: Map<string, Lease>
  readonly log: (text: string) => void
  /** How many token requests could be called for so far. */
  occasions: number
  servings: number
  /** Whether Salesforce ever refused for good: the fleet remembers it for long. */
  wasRefused: boolean
}

type Model = Record<string, never>
export type Command = fc.AsyncCommand<Model, Reality>

export const NAMES = ['a', 'b', 'c'] as const
/** Where two names stand for the same, they share its tokens. */
export const LOGIN_URLS = [
  'https://one.my.salesforce.com',
  'https://two.my.salesforce.com',
  'https://three.my.salesforce.com',
] as const
export const CLIENTS = ['client-1', 'client-2'] as const
/** How long memory may serve without word from the store. */
export const DEGRADED_MS = 10_000
const LONGEST_REQUEST_MS = 15_000

const ANYBODY: Principal = {
  id: 'admin',
  kind: 'admin',
  name: 'admin',
  permits: PERMISSIONS.map((permission) => ({ permission, integrations: ['*'], labels: {} })),
}
const anybody = async () => ANYBODY

/** Problems that a caller may get whenever things go wrong; anything else is a bug. */
const PROBLEMS: ReadonlySet<string> = new Set([
  'store_unavailable',
  'salesforce_unavailable',
  'salesforce_timeout',
  'grant_refused',
  'login_budget_exhausted',
  'token_still_live',
  'conflict',
  'integration_not_found',
  'integration_disabled',
  'integration_frozen',
  'integration_changed',
  'token_response_invalid',
])

const CRASHED = Symbol('crashed')
/** Whether it was done, who knows. */
const DOUBTFUL: ReadonlySet<string | undefined> = new Set(['store_unavailable', 'crashed'])

const at = (reality: Reality, index: number): Replica => {
  const replica = reality.replicas[index]
  if (!replica) throw new Error('There is no such replica')
  return replica
}

/** Gives the code of what was thrown, if callers may get it; throws anything else. */
async function attempt<Value>(replica: Replica, work: () => Value | Promise<Value>) {
  try {
    const gone = replica.gone.then(() => CRASHED)
    const value = await Promise.race([work(), gone])
    return value === CRASHED ? { problem: 'crashed' } : { value: value as Value }
  } catch (error) {
    if (error instanceof BrokerError && PROBLEMS.has(error.code)) return { problem: error.code }
    throw error
  }
}

/** Runs it to its end, or leaves it under way. */
function command(
  name: string,
  isWaitedFor: boolean,
  work: (reality: Reality) => Promise<void>,
): Command {
  return {
    check: () => true,
    toString: () => name + (isWaitedFor ? '' : ' (meanwhile)'),
    async run(_model, reality) {
      reality.log(`${reality.time.monotonic()} ${name}${isWaitedFor ? '' : ' (meanwhile)'}`)
      const done = work(reality)
        .catch((error: unknown) => {
          reality.violations.push(error)
        })
        .finally(() => reality.underWay.delete(done))
      reality.underWay.add(done)
      if (isWaitedFor) await reality.time.until(done, LONGEST_REQUEST_MS)
      requireNoViolation(reality)
    },
  }
}

export function requireNoViolation({ violations, salesforce }: Reality): void {
  if (violations.length > 0) throw violations[0]
  const [stray] = salesforce.strays
  if (stray !== undefined) throw new Error(`a token went to a host that never issued it: ${stray}`)
}

export type RejectedKind = 'nothing' | 'current' | 'another'

export const read = (
  index: number,
  name: string,
  minTtlMs: number,
  kind: RejectedKind,
  waits: boolean,
) =>
  command(`read ${name} of ${index}, ${minTtlMs} ms, rejecting ${kind}`, waits, async (reality) => {
    const { time, oracle, served, log } = reality
    const replica = at(reality, index)
    const last = served.get(name)?.tokenId
    const rejected =
      kind === 'current' ? last : kind === 'another' ? 'AAAAAAAAAAAAAAAAAAAAAA' : undefined
    const begunAt = time.now()
    reality.occasions += 1
    const request = { minTtlMs, requestId: 'r', ...(rejected !== undefined && { rejected }) }
    const { value, problem } = await attempt(replica, () =>
      replica.engine.broker.lease(name, ANYBODY, request),
    )
    if (!value) return log(`  ${name} of ${index}: ${problem}`)
    const { lease, via, isDegraded } = value
    log(`  ${name} of ${index}: ${lease.tokenId} ${via}${isDegraded ? ' degraded' : ''}`)
    reality.servings += 1
    oracle.check({ replica, name, lease, begunAt, servedAt: time.now() })
    if (rejected !== undefined && lease.tokenId === rejected) {
      throw new Error(`${name} got the token that it rejected`)
    }
    served.set(name, lease)
  })

export const put = (
  index: number,
  name: string,
  loginUrl: string,
  client: string,
  enabled: boolean,
  waits: boolean,
) =>
  command(
    `put ${name} at ${index}: ${client} of ${loginUrl}${enabled ? '' : ', disabled'}`,
    waits,
    async (reality) => {
      const { oracle, log } = reality
      const replica = at(reality, index)
      reality.occasions += 2
      const change = oracle.begins(name, enabled ? loginUrl : undefined)
      const input = {
        loginUrl,
        grant: { type: 'client_credentials', clientId: client },
        credential: { clientSecret: `secret-of-${client}` },
        identity: { pin: 'off' as const },
        loginsPerHour: 3_600,
        // Half of it is what a lease starts with where Salesforce says nothing.
        tokenLifetime: 60,
        enabled,
      }
      const { value, problem } = await attempt(replica, async () => {
        try {
          return await replica.registry.put(name, input, { ifMatch: '*' }, anybody)
        } catch (error) {
          if (!(error instanceof BrokerError) || error.code !== 'integration_changed') throw error
          return replica.registry.put(name, input, { ifNoneMatch: '*' }, anybody)
        }
      })
      log(`  put ${name}: ${value?.result ?? problem}`)
      settle(oracle, change, value !== undefined, problem)
    },
  )

const settle = (
  oracle: Oracle,
  change: Change,
  isDone: boolean,
  problem: string | undefined,
): void => {
  const doubtful = DOUBTFUL.has(problem) ? 'unknown' : 'refused'
  oracle.settles(change, isDone ? 'acknowledged' : doubtful)
}

export const remove = (index: number, name: string, waits: boolean) =>
  command(`remove ${name} at ${index}`, waits, async (reality) => {
    const { oracle, log } = reality
    const replica = at(reality, index)
    reality.occasions += 1
    const change = oracle.begins(name, undefined)
    const { value, problem } = await attempt(replica, () =>
      replica.registry.remove(name, { ifMatch: '*' }, anybody, async (integration) => {
        await replica.engine.revoker.revokeUnlessShared(integration)
      }),
    )
    log(`  remove ${name}: ${value ? 'done' : problem}`)
    settle(oracle, change, value !== undefined, problem)
  })

export const revoke = (index: number, name: string, waits: boolean) =>
  command(`revoke ${name} at ${index}`, waits, async (reality) => {
    const { oracle, log } = reality
    const replica = at(reality, index)
    reality.occasions += 2
    const { value, problem } = await attempt(replica, () =>
      replica.engine.revoker.revoke({ name, uid: '', loginUrl: LOGIN_URLS[0] }),
    )
    log(`  revoke ${name}: ${value?.map(({ tokenId }) => tokenId) ?? problem}`)
    for (const { tokenId } of value ?? []) if (tokenId) oracle.revoked(tokenId)
  })

const NOTHING_SELECTED = { integrations: [], labels: {}, clientIds: [], orgIds: [], all: false }

export const freeze = (index: number, name: string, revokes: boolean, waits: boolean) =>
  command(
    `freeze ${name} at ${index}${revokes ? '' : ', without revocation'}`,
    waits,
    async (reality) => {
      const { oracle, log } = reality
      const replica = at(reality, index)
      reality.occasions += 2
      const { value, problem } = await attempt(replica, () =>
        replica.freezing.order({
          selector: { ...NOTHING_SELECTED, integrations: [name] },
          ...{ reason: 'a test', by: 'admin', revoke: revokes, revokeRefreshTokens: false },
        }),
      )
      if (value) oracle.frozen(value.freeze.id, name)
      log(`  freeze ${name}: ${value?.freeze.id ?? problem}`)
    },
  )

/** Lifts all, also those that were not acknowledged. */
async function liftAll(reality: Reality, replica: Replica): Promise<void> {
  const { oracle, log } = reality
  const { value = [], problem } = await attempt(replica, () =>
    replica.freezing.list(async () => true),
  )
  if (problem) log(`  thaw: ${problem}`)
  for (const { freeze } of value) {
    oracle.lifts(freeze.id)
    const lifted = await attempt(replica, () =>
      replica.freezing.lift(freeze.id, 'admin', async () => undefined),
    )
    log(`  thaw ${freeze.id}: ${lifted.problem ?? 'done'}`)
  }
}

export const thaw = (index: number, waits: boolean) =>
  command(`thaw at ${index}`, waits, async (reality) => {
    reality.occasions += 2
    await liftAll(reality, at(reality, index))
  })

const isResting = ({ hosts, clients }: { readonly hosts: number; readonly clients: number }) =>
  hosts + clients > 0

/** Many at once, at both replicas, where all is well: one request at Salesforce, and no two tokens. */
export const herd = (name: string) =>
  command(`herd on ${name}`, true, async (reality) => {
    const { time, salesforce, oracle, replicas, underWay, log } = reality
    const isCalm = underWay.size === 1 && salesforce.mode === 'well'
    const loginUrl = oracle.certain(name)?.loginUrl
    const isCurrent = replicas.every((one) => one.mode() === 'up' && one.subscription.isCurrent())
    if (!isCalm || !isCurrent || loginUrl === undefined) return
    const before = salesforce.requests(loginUrl)
    const sharers = NAMES.filter((one) => oracle.certain(one)?.loginUrl === loginUrl).length
    const probers = replicas.filter(({ engine }) => isResting(engine.resting())).length
    reality.occasions += 1
    const begunAt = time.now()
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, caller) => {
        const replica = at(reality, caller % replicas.length)
        const request = { minTtlMs: 0, requestId: 'r' }
        const { value } = await attempt(replica, () =>
          replica.engine.broker.lease(name, ANYBODY, request),
        )
        if (value) {
          const { lease } = value
          oracle.check({ replica, name, lease, begunAt, servedAt: time.now() })
          reality.servings += 1
        }
        return value?.lease.tokenId
      }),
    )
    const requests = salesforce.requests(loginUrl) - before
    log(`  herd on ${name}: ${requests} requests, ${new Set(answers).size} answers`)
    // The other integrations of the app may be refreshed at the same time. A token that proves dead is replaced.
    // A probe does not wait for the lock.
    if (salesforce.says && requests > sharers + probers)
      throw new Error(`${requests} requests for one herd on ${name}`)
  })

export const pass = (ms: number): Command => ({
  check: () => true,
  toString: () => `${ms} ms pass`,
  async run(_model, reality) {
    const { time, log } = reality
    log(`${time.monotonic()} ${ms} ms pass`)
    await time.advance(ms)
    requireNoViolation(reality)
  },
})

export const link = (index: number, mode: LinkMode): Command => ({
  check: () => true,
  toString: () => `the store is ${mode} for ${index}`,
  async run(_model, reality) {
    reality.log(`${reality.time.monotonic()} the store is ${mode} for ${index}`)
    reality.occasions += 2
    at(reality, index).link(mode)
  },
})

export const crash = (index: number): Command => ({
  check: () => true,
  toString: () => `${index} crashes and starts again`,
  async run(_model, reality) {
    reality.log(`${reality.time.monotonic()} ${index} crashes`)
    reality.occasions += 4
    reality.restart(index)
  },
})

export const salesforceIs = (mode: SalesforceMode): Command => ({
  check: () => true,
  toString: () => `Salesforce is ${mode}`,
  async run(_model, reality) {
    reality.log(`${reality.time.monotonic()} Salesforce is ${mode}`)
    reality.salesforce.mode = mode
    reality.wasRefused ||= mode === 'refusing'
  },
})

/** Whatever is under way ends, whatever is broken is mended. */
export const mend: Command = {
  check: () => true,
  toString: () => 'all is mended',
  async run(_model, reality) {
    const { time, replicas, salesforce, log } = reality
    log(`${time.monotonic()} all is mended`)
    salesforce.mode = 'well'
    salesforce.deadShare = 0
    for (const replica of replicas) replica.link('up')
    await time.advance(4_000)
    await time.until(liftAll(reality, at(reality, 0)), LONGEST_REQUEST_MS)
    await time.advance(1_200)
    requireNoViolation(reality)
  },
}
