/** The device flow: an operator begins it, a person at Salesforce enters a code and decides, and this service polls for the result. */

import { BrokerError } from '../errors/errors.ts'
import { pollDevice } from '../grants/device-flow.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import type { TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { within } from '../runtime/timeout.ts'
import { type Connection, type ConnectionEnding, statusOf } from './connection.ts'
import type { StoredConnection } from './connection-store.ts'
import type { DeviceSchedule, TakenTurn } from './device-schedule.ts'
import type { ConnectionStates } from './end.ts'
import { type Client, connectionFailed, endingAfter, type Finish, type Got } from './finish.ts'
import { type Beginning, newConnection } from './web-server-flow.ts'

export type DeviceFlow = ReturnType<typeof createDeviceFlow>

export interface DeviceFlowDependencies {
  readonly connections: ConnectionStates
  readonly schedule: DeviceSchedule
  readonly endpoint: Pick<TokenEndpoint, 'token' | 'deviceCode'>
  readonly finish: Finish
  readonly clientOf: (integration: Integration) => Promise<Client>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
}

/** Longest time of one request to Salesforce. */
const ATTEMPT_MS = 4_000
/** Longest time of a poll with the work before and after it. The claim guards a longer one. */
export const TURN_MS = 8_000
/** RFC 8628, section 3.5. */
const SLOWER_MS = 5_000
const LONGEST_PAUSE_MS = 60_000

export function createDeviceFlow(dependencies: DeviceFlowDependencies) {
  const { connections, schedule, endpoint, finish, clientOf, runtime, log } = dependencies
  const { now } = runtime

  const conclude = async (stored: StoredConnection, ending: ConnectionEnding): Promise<void> => {
    await connections.end(stored, ending, stored.connection.requestId)
    await schedule.remove(stored.connection.id)
  }

  /** The claim may be written although no answer came. A code is valid once, so the process with the result owns the claim. */
  const unanswered = async (stored: StoredConnection): Promise<StoredConnection | undefined> => {
    const found = await connections.read(stored.connection.id).catch(() => stored)
    const isOpen = found?.connection.state === 'pending' || found?.connection.state === 'claimed'
    return isOpen ? found : undefined
  }

  /** The person allowed it and the code is used up. So the result must be kept now, even if the claim cannot be written. */
  const settle = async (stored: StoredConnection, got: Got): Promise<void> => {
    const mine = await connections.claim(stored).catch(() => unanswered(stored))
    if (mine) await conclude(mine, await finish.settle(mine.connection, got))
    else await finish.discard(got)
  }

  /** The answer of Salesforce, or how the connection ended. Undefined: the person has not decided, or Salesforce is unavailable and the turn is postponed. */
  const ask = async (
    connection: Connection,
    integration: Integration,
    turn: TakenTurn,
  ): Promise<Got | ConnectionEnding | undefined> => {
    const { intervalMs } = turn
    const putOff = (pauseMs: number, next: Partial<TakenTurn> = {}) =>
      schedule.putOff(turn, { intervalMs, failures: 0, nextAt: now() + pauseMs, ...next })
    try {
      const client = await clientOf(integration)
      const { secret: deviceCode, dpopKey } = await connections.open(connection)
      const answer = await finish.ask(integration, dpopKey, (onRefreshToken) =>
        within(ATTEMPT_MS, (signal) =>
          pollDevice(
            {
              ...{ loginUrl: integration.loginUrl, clientId: client.clientId, deviceCode },
              ...{ dpopKey, signal, onRefreshToken },
            },
            endpoint,
          ),
        ),
      )
      if (typeof answer === 'object') return { integration, client, answer, dpopKey }
      const pauseMs = answer === 'slow_down' ? intervalMs + SLOWER_MS : intervalMs
      await putOff(pauseMs, { intervalMs: pauseMs })
    } catch (error) {
      if (isTooLate(error, connection, now())) return EXPIRED
      if (!mayPass(error)) return endingAfter(error)
      log.warn({ err: error, integration: connection.name }, 'a device cannot be polled')
      const failures = turn.failures + 1
      await putOff(Math.min(LONGEST_PAUSE_MS, intervalMs * 2 ** failures), { failures })
    }
    return undefined
  }

  return {
    /** Throws Salesforce's answer. */
    async begin({
      integration,
      clientId,
      dpopKey,
      scopes,
      authorise,
      ...begun
    }: Beginning): Promise<{
      readonly connection: Connection
      readonly userCode: string
      readonly verificationUri: string
    }> {
      const { loginUrl } = integration
      const code = await within(ATTEMPT_MS, (signal) =>
        endpoint.deviceCode({ loginUrl, clientId, scopes, signal }),
      )
      const { deviceCode, userCode, verificationUri, intervalMs, lifetimeMs } = code
      const id = runtime.uniqueId()
      const beganAt = now()
      await authorise()
      const connection = await connections.create(
        {
          ...newConnection(integration, { ...begun, scopes }),
          ...{ id, flow: 'device', beganAt, expiresAt: beganAt + lifetimeMs },
        },
        { secret: deviceCode, ...(dpopKey && { dpopKey }) },
      )
      await schedule.add({ id, intervalMs, failures: 0, nextAt: beganAt + intervalMs })
      return { connection, userCode, verificationUri }
    },

    /** Polls Salesforce once, if no other replica took this turn. */
    async poll(due: TakenTurn): Promise<void> {
      const turn = await schedule.take(due)
      if (!turn) return
      const stored = await connections.read(turn.id)
      if (stored?.connection.state !== 'pending') return schedule.remove(turn.id)
      if (statusOf(stored.connection, now()) === 'expired') {
        return conclude(stored, EXPIRED)
      }
      const integration = await finish.check(stored.connection)
      if (typeof integration === 'string') return conclude(stored, connectionFailed(integration))
      const asked = await ask(stored.connection, integration, turn)
      if (!asked) return
      if ('state' in asked) await conclude(stored, asked)
      else await settle(stored, asked)
    },
  }
}

const EXPIRED: ConnectionEnding = { state: 'expired', reason: null, refusal: null }

/** Salesforce's lifetime begins before its answer, and it reports an expired code as an unknown one. */
function isTooLate(error: unknown, { expiresAt }: Connection, now: number): boolean {
  const reason = refusalOf(error)?.reason
  const isOfCode = reason === 'assertion_expired' || reason === 'authorization_code_invalid'
  return isOfCode && now > expiresAt - LONGEST_PAUSE_MS
}

const PASSING = [
  ...['salesforce_unavailable', 'salesforce_timeout', 'store_unavailable'],
  'signer_unavailable',
]

/** Whether a later poll may succeed. */
function mayPass(error: unknown): boolean {
  const refusal = refusalOf(error)
  if (refusal) return refusal.class !== 'permanent'
  return error instanceof BrokerError && PASSING.includes(error.code)
}
