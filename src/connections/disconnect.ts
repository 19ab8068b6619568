/** The end of a connection that stood: what is pending is void first, so that nothing connects the integration again by itself. */
import type { Integration } from '../integrations/integration.ts'
import type { ConnectionStore } from './connection-store.ts'
import type { EndConnection } from './end.ts'
import { failed } from './finish.ts'

/** Gives whether there was anything to end. */
export type Disconnect = (integration: Integration, requestId: string) => Promise<boolean>

export interface DisconnectDependencies {
  readonly connections: Pick<ConnectionStore, 'pendingOf'>
  readonly end: EndConnection
  readonly custody: {
    /** Forgets the refresh token first, then ends it at Salesforce, now or later. */
    end(integration: Integration): Promise<{ readonly hadToken: boolean }>
  }
}

export const createDisconnect =
  ({ connections, end, custody }: DisconnectDependencies): Disconnect =>
  async (integration, requestId) => {
    let wasPending = false
    for await (const stored of connections.pendingOf(integration)) {
      wasPending = true
      await end(stored, failed('superseded'), requestId)
    }
    const { hadToken } = await custody.end(integration)
    return hadToken || wasPending
  }
