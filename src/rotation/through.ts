/** Calls Salesforce with the token of the integration that deploys. Replaces a dead token once. */
import type { OrgAnswer } from '../grants/org-api/org-api.ts'
import type { OrgCaller } from '../grants/org-api/org-request.ts'
import { within } from '../runtime/timeout.ts'
import type { InsideLease } from '../tokens/serve/inside-lease.ts'

export type Through = <Value>(
  name: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  call: (caller: OrgCaller) => Promise<OrgAnswer<Value>>,
) => Promise<OrgAnswer<Value>>

export const createThrough =
  (leaseOf: InsideLease): Through =>
  async (name, { timeoutMs, signal }, call) => {
    const lease = await leaseOf(name)
    const ask = ({ instanceUrl, accessToken }: Awaited<ReturnType<InsideLease>>) =>
      within(timeoutMs, (deadline) => call({ instanceUrl, accessToken, signal: deadline }), {
        signal,
      })
    const first = await ask(lease)
    if (first.ok || first.refused !== 'token') return first
    return ask(await leaseOf(name, lease.tokenId))
  }
