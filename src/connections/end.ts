/** Ends a connection: writes, audits and counts its result. */

import type { AuditEntry } from '../audit/event.ts'
import type { Asker } from '../audit/log.ts'
import type { Log } from '../runtime/runtime.ts'
import type { Claim } from './claim.ts'
import {
  type Connection,
  type ConnectionEnding,
  type ConnectionStatus,
  ended,
  type Flow,
} from './connection.ts'
import type { ConnectionStore, StoredConnection } from './connection-store.ts'

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
