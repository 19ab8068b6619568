/** Disconnects an integration. Pending connections become void first, so that none connects it again. */
import type { Integration } from '../integrations/integration.ts'
import type { ConnectionStates } from './end.ts'
import { connectionFailed } from './finish.ts'

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
