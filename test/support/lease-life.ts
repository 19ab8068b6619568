import { eventually } from './eventually.ts'

type Call = (
  method: string,
  path: string,
) => Promise<{ readonly body: { readonly status?: { readonly lease?: LeaseStatus | null } } }>

interface LeaseStatus {
  readonly expiry_source: string
  readonly proof?: string
}

/** Waits until the broker knows how long its token lives. Before that, it may find out by itself that a session was ended. */
export const lifeKnown = (call: Call, name: string): Promise<unknown> =>
  eventually(async () => {
    const lease = (await call('GET', `/integrations/${name}`)).body.status?.lease
    return lease?.expiry_source !== 'configured' || lease.proof !== undefined
  })
