/** Callers that were answered 401 by Salesforce ask for another token. */
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, type Seen } from '../../test/support/load.ts'
import { callAll } from './cold-herd.ts'

export interface Rejections {
  readonly seen: readonly Seen[]
  readonly requests: number
  /** The same once more. */
  readonly again: readonly Seen[]
  readonly requestsAgain: number
}

/** `live`: Salesforce repeats the token. `dead`: it gives another one. */
export async function rejections(
  fleet: Fleet,
  options: { readonly name: string; readonly callers: number; readonly token: 'live' | 'dead' },
): Promise<Rejections> {
  const { name, callers, token } = options
  const app = await fleet.integrate(name)
  const asker = createAsker({ key: fleet.key })
  let tokenId = ''
  for (const url of fleet.urls()) tokenId = (await asker.ask([url], name)).tokenId ?? ''
  await asker.close()
  if (token === 'dead') fleet.simulator.endSessions({ clientId: app.clientId })
  const before = fleet.mints(app)
  const seen = await callAll(fleet, name, callers, `?rejected=${tokenId}`)
  const between = fleet.mints(app)
  const again = await callAll(fleet, name, callers, `?rejected=${tokenId}`)
  return {
    seen,
    requests: between - before,
    again,
    requestsAgain: fleet.mints(app) - between,
  }
}
