import type { HostRole, Origins } from './hosts.ts'

/** One request to the simulated Salesforce, read and placed, and what becomes known of it on the way. */
export interface Exchange {
  readonly method: string
  /** The `Host` header. */
  readonly authority: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly remoteAddress: string
  /** Undefined where the body is no form. */
  readonly form: ReadonlyMap<string, string> | undefined
  /** As it came. */
  readonly body: Buffer
  readonly role: HostRole
  readonly origins: Origins
  /** Which of Salesforce's nodes answers. */
  readonly node: number
  /** Adds to what the log and Login History will say. */
  identify(who: Identified): void
  identified(): Identified
  /** Runs once the answer is on the wire, or its connection is gone. */
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

/** The parameters of a form body, or undefined if it is none (a missing content type, JSON, …). */
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

/** The token of an `Authorization: Bearer` (or, as Salesforce allows, `OAuth`) header. */
export function bearerToken({ headers }: Pick<Exchange, 'headers'>): string | undefined {
  return /^(?:Bearer|OAuth) +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
}
