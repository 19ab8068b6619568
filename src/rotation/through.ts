/** Calls Salesforce with the token of the integration that deploys. Replaces a dead token once. */
import { BrokerError, isStoreTrouble } from '../errors/errors.ts'
import { PROBLEMS } from '../errors/problems.ts'
import type { OrgAnswer } from '../grants/org-api/org-api.ts'
import type { OrgCaller } from '../grants/org-api/org-request.ts'
import { refusalOf } from '../grants/refusals/refusals.ts'
import { within } from '../runtime/timeout.ts'
import type { InsideLease } from '../tokens/serve/inside-lease.ts'

export type Through = <Value>(
  name: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  call: (caller: OrgCaller) => Promise<OrgAnswer<Value>>,
) => Promise<OrgAnswer<Value>>

export const createThrough = (leaseOf: InsideLease): Through => {
  const leaseFor = (...of: readonly [name: string, rejected?: string]) =>
    leaseOf(...of).catch((error: unknown) => {
      throw unnamed(error)
    })
  return async (name, { timeoutMs, signal }, call) => {
    const lease = await leaseFor(name)
    const ask = ({ instanceUrl, accessToken, dpop }: Awaited<ReturnType<InsideLease>>) => {
      const caller = { instanceUrl, accessToken, dpopKey: dpop?.key }
      return within(timeoutMs, (deadline) => call({ ...caller, signal: deadline }), { signal })
    }
    const first = await ask(lease)
    if (first.ok || first.refused !== 'token') return first
    return ask(await leaseFor(name, lease.tokenId))
  }
}

/** The detail of a deployment is shown to callers who may not know that integration, so it names none. The cause has the name, for the log. */
function unnamed(error: unknown): unknown {
  if (!(error instanceof BrokerError) || isStoreTrouble(error)) return error
  const { code, status, retryAfterMs, isTold } = error
  const why = refusalOf(error)?.cause ?? PROBLEMS[code].title
  return new BrokerError(code, `At the integration that it deploys through: ${why}`, {
    ...{ cause: error, status, isTold },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}
