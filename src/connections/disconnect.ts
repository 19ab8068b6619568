/** The end of a connection that stood: what is pending is void first, so that nothing connects the integration again by itself. */
import type { Integration } from '../integrations/integration.ts'
import type { ConnectionStates } from './end.ts'
import { connectionFailed } from './finish.ts'

/** Gives whether there was anything to end. `authorise` is asked just before each thing that is ended; throws what that does. */
export type Disconnect = (
  integration: Integration,
  requestId: string,
  authorise: () => Promise<void>,
) => Promise<boolean>

interface DisconnectDependencies {
  readonly connections: Pick<ConnectionStates, 'pendingOf' | 'end'>
  readonly custody: {
    /** Forgets the refresh token first, then ends it at Salesforce, now or later. */
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
