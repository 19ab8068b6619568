import type { HostRole, Origins } from './hosts.ts'

/** A parsed request to the simulated Salesforce, and what its handling finds out. */
export interface Exchange {
  readonly method: string
  /** The `Host` header. */
  readonly authority: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly remoteAddress: string
  /** Undefined: the body is not a form. */
  readonly form: ReadonlyMap<string, string> | undefined
  /** The body as received. */
  readonly body: Buffer
  readonly role: HostRole
  readonly origins: Origins
  /** The node of Salesforce that answers. */
  readonly node: number
  /** Adds data for the log and Login History. */
  identify(who: Identified): void
  identified(): Identified
  /** Runs after the answer is sent or the connection is closed. */
  onDelivered(action: () => void): void
}

export interface Identified {
  readonly grant?: string
  readonly clientId?: string
  readonly app?: string
  readonly orgId?: string
  readonly userId?: string
  readonly username?: string
}

/** The parameters of a form body. Undefined: it is not a form (a missing content type, JSON, …). */
export async function readForm(
  contentType: string | undefined,
  body: Buffer,
): Promise<ReadonlyMap<string, string> | undefined> {
  if (contentType === undefined) return undefined
  const kind = contentType.split(';', 1)[0]?.trim().toLowerCase()
  if (kind === 'application/x-www-form-urlencoded') {
    return new Map(new URLSearchParams(body.toString('utf8')))
  }
  if (kind !== 'multipart/form-data') return undefined
  try {
    const parts = await new Response(new Uint8Array(body), {
      headers: { 'content-type': contentType },
    }).formData()
    return new Map([...parts].map(([name, value]) => [name, String(value)]))
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** Salesforce also takes the parameters of a form from the query. Its own connector of Data Cloud writes them there. */
export function withQuery(
  form: Exchange['form'],
  method: string | undefined,
  query: URLSearchParams,
): Exchange['form'] {
  if (method !== 'POST' || query.size === 0) return form
  return new Map([...query, ...(form ?? [])])
}

/** The token of an `Authorization: DPoP` header. */
export function provenToken({ headers }: Pick<Exchange, 'headers'>): string | undefined {
  return /^DPoP +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
}

/** The token of an `Authorization: Bearer` header, or `OAuth`, which Salesforce also accepts. */
export function bearerToken({ headers }: Pick<Exchange, 'headers'>): string | undefined {
  return /^(?:Bearer|OAuth) +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
}
