/** Who may spend what a person allowed: one of all who see the connection pending, over all replicas. */
import { claimed } from './connection.ts'
import type { ConnectionStore, StoredConnection } from './connection-store.ts'

/** Undefined: another was faster, or it is over. */
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
