/** The state changes of connections that all flows share: claim, end, disconnect. */

import type { AuditEntry } from '../audit/event.ts'
import type { Asker } from '../audit/log.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Log } from '../runtime/runtime.ts'
import {
  type Connection,
  type ConnectionEnding,
  type ConnectionStatus,
  claimed,
  ended,
  type Flow,
} from './connection.ts'
import type { ConnectionStore, StoredConnection } from './connection-store.ts'
import { connectionFailed } from './finish.ts'

/** Returns the ended connection. Only throws `audit_unavailable`, because the work is done. */
type EndConnection = (
  stored: StoredConnection,
  ending: ConnectionEnding,
  requestId: string,
) => Promise<Connection>

/** The store of connections, with the state changes that all flows share. */
export interface ConnectionStates extends ConnectionStore {
  readonly claim: Claim
  readonly end: EndConnection
}

export function createEnd(dependencies: {
  readonly connections: Pick<ConnectionStore, 'read' | 'update'>
  readonly audit: { change(asker: Asker, entry: AuditEntry): Promise<void> }
  readonly onEnded: (flow: Flow, status: ConnectionStatus) => void
  readonly now: () => number
  readonly log: Pick<Log, 'warn'>
}): EndConnection {
  const { connections, audit, onEnded, now, log } = dependencies

  return async ({ connection }, ending, requestId) => {
    const over = ended(connection, ending, now())
    const { id, name, flow, by } = over
    try {
      // If another replica was faster, its result counts.
      const written = await connections.update(id, ({ state }) =>
        state === connection.state ? over : undefined,
      )
      if (!written) {
        return (await connections.read(id))?.connection ?? connection
      }
    } catch (error) {
      log.warn(
        { err: error, integration: name, connection: id },
        'the result of a connection could not be stored',
      )
    }
    onEnded(flow, ending.state)
    await audit.change({ id: requestId, principal: { id: by.id } }, auditEntryOf(over, ending))
    return over
  }
}

function auditEntryOf({ id, name }: Connection, ending: ConnectionEnding): AuditEntry {
  const detail = { connection: id }
  if (ending.state === 'connected') {
    return { action: 'integration.connected', integration: name, detail }
  }
  const reason = ending.refusal?.reason ?? ending.reason ?? ending.state
  return {
    action: 'connection.failed',
    integration: name,
    outcome: ending.refusal ? 'refused' : 'failed',
    detail: { ...detail, reason },
  }
}

/** Undefined: another replica was faster, or the connection has ended. */
type Claim = (found: StoredConnection) => Promise<StoredConnection | undefined>

interface ClaimDependencies {
  readonly connections: Pick<ConnectionStore, 'update'>
  readonly now: () => number
}

export const createClaim =
  ({ connections, now }: ClaimDependencies): Claim =>
  ({ connection: { id } }) =>
    connections.update(id, (connection) =>
      connection.state === 'pending' ? claimed(connection, now()) : undefined,
    )

/** Returns whether there was anything to end. Calls `authorise` just before each end, and throws what it throws. */
export type Disconnect = (
  integration: Integration,
  requestId: string,
  authorise: () => Promise<void>,
) => Promise<boolean>

interface DisconnectDependencies {
  readonly connections: Pick<ConnectionStates, 'pendingOf' | 'end'>
  readonly custody: {
    /** Deletes the refresh token first, then revokes it at Salesforce, at once or later. */
    end(integration: Integration): Promise<{ readonly hadToken: boolean }>
  }
}

export const createDisconnect =
  ({ connections, custody }: DisconnectDependencies): Disconnect =>
  async (integration, requestId, authorise) => {
    let wasPending = false
    for await (const stored of connections.pendingOf(integration)) {
      await authorise()
      wasPending = true
      await connections.end(stored, connectionFailed('superseded'), requestId)
    }
    await authorise()
    const { hadToken } = await custody.end(integration)
    return hadToken || wasPending
  }
