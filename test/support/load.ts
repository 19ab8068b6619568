/** Callers at a constant rate: each request leaves in its time, whether or not the former ones were answered. */
import { Pool } from 'undici'

/** What a caller saw. Times are epoch milliseconds. */
export interface Seen {
  readonly start: number
  readonly end: number
  readonly name: string
  /** Whose answer it is. */
  readonly url: string
  /** 0: there was no answer. */
  readonly status: number
  readonly code: string | undefined
  readonly token: string | undefined
  readonly tokenId: string | undefined
  readonly expiresAt: number
  /** The `Cache-Status` header. */
  readonly via: string
  /** How many replicas refused or dropped the connection before this answer, as behind a load balancer. */
  readonly retries: number
  /** What the `judge` of the load said when the answer came. */
  readonly isAlive: boolean
}

export interface LoadOptions {
  /** Where a request may go, in turns; looked up for each. */
  readonly urls: () => readonly string[]
  /** Integrations, in turns. */
  readonly names: readonly string[]
  readonly perSecond: number
  readonly key: string
  /** Appended to the path. */
  readonly query?: string
  /** Kept for each URL. Default 32. */
  readonly connections?: number
  /** Whether the token is good at this moment, for whoever knows. */
  readonly judge?: (token: string) => boolean
}

export interface Load {
  /** All that came so far. */
  seen(): readonly Seen[]
  /** Sends no more, and waits for what is under way. */
  stop(): Promise<readonly Seen[]>
}

const TICK_MS = 10
const ANSWER_MS = 30_000
const CONNECTIONS = 32
/** Connections that ended before an answer: a load balancer tries another replica. */
const CONNECTION_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE'])

export interface Asker {
  ask(urls: readonly string[], name: string): Promise<Seen>
  close(): Promise<void>
}

/** One request after another, each on a kept connection. */
export function createAsker(
  options: Pick<LoadOptions, 'key' | 'query' | 'judge' | 'connections'>,
): Asker {
  const { key, query = '', judge = () => true, connections = CONNECTIONS } = options
  const pools = new Map<string, Pool>()
  const headers = { authorization: `Bearer ${key}` }

  const poolOf = (url: string): Pool => {
    const pool =
      pools.get(url) ??
      new Pool(url, { connections, headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS })
    pools.set(url, pool)
    return pool
  }

  const attempt = async (url: string, name: string, start: number, retries: number) => {
    const path = `/tokens/${name}${query}`
    const answer = await poolOf(url).request({ method: 'GET', path, headers })
    const body = (await answer.body.json()) as Readonly<Record<string, string | undefined>>
    const end = Date.now()
    const token = answer.statusCode === 200 ? body.access_token : undefined
    return {
      ...{ start, end, name, url, status: answer.statusCode, code: body.code, token, retries },
      tokenId: body.token_id,
      expiresAt: Date.parse(body.expires_at ?? ''),
      via: String(answer.headers['cache-status'] ?? ''),
      isAlive: token === undefined || judge(token),
    }
  }

  return {
    async ask(urls, name) {
      const start = Date.now()
      for (let retries = 0; ; retries += 1) {
        const url = urls[retries % urls.length] ?? ''
        try {
          return await attempt(url, name, start, retries)
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN'
          if (CONNECTION_CODES.has(code) && retries < 2 * urls.length) continue
          return {
            ...{ start, end: Date.now(), name, url, status: 0, code, retries, via: '' },
            ...{ token: undefined, tokenId: undefined, expiresAt: Number.NaN, isAlive: true },
          }
        }
      }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

export function startLoad(options: LoadOptions): Load {
  const { urls, names, perSecond } = options
  const asker = createAsker(options)
  const seen: Seen[] = []
  const pending = new Set<Promise<void>>()
  const startedAt = performance.now()
  let sent = 0

  const send = () => {
    const all = urls()
    const first = sent % all.length
    const order = [...all.slice(first), ...all.slice(0, first)]
    const name = names[sent % names.length] ?? ''
    const work = asker.ask(order, name).then((one) => {
      seen.push(one)
      pending.delete(work)
    })
    pending.add(work)
    sent += 1
  }

  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * perSecond
    while (sent < due) send()
  }, TICK_MS)

  return {
    seen: () => seen,
    async stop() {
      clearInterval(timer)
      await Promise.all(pending)
      await asker.close()
      return seen
    },
  }
}

/** Milliseconds; NaN for nothing. */
export function percentile(seen: readonly Seen[], share: number): number {
  const sorted = seen.map(({ start, end }) => end - start).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** How often each value came, for a message that says what went wrong. */
export function tally(values: readonly (string | number | undefined)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1
  return counts
}
