/** Who may spend what a person allowed: one of all who see the connection pending, over all replicas. */
import { claimed } from './connection.ts'
import type { ConnectionStore, StoredConnection } from './connection-store.ts'

/** Undefined: another was faster, or it is over. */
export type Claim = (found: StoredConnection) => Promise<StoredConnection | undefined>

export interface ClaimDependencies {
  readonly connections: Pick<ConnectionStore, 'read' | 'write'>
  readonly now: () => number
}

export const createClaim =
  ({ connections, now }: ClaimDependencies): Claim =>
  async (found) => {
    let stored: StoredConnection | undefined = found
    while (stored?.connection.state === 'pending') {
      const mine = await connections.write(claimed(stored.connection, now()), stored.version)
      if (mine) return mine
      // It may have been sealed anew meanwhile, and nothing else.
      stored = await connections.read(found.connection.id)
    }
    return undefined
  }
