/** Claims a pending connection, so that only one replica uses the person's approval. */
import { claimed } from './connection.ts'
import type { ConnectionStore, StoredConnection } from './connection-store.ts'

/** Undefined: another replica was faster, or the connection has ended. */
export type Claim = (found: StoredConnection) => Promise<StoredConnection | undefined>

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
