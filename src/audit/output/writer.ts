/** Writes audit lines in batches, in order, without losing any. Reports when they cannot be written. */

import { setTimeout as sleep } from 'node:timers/promises'
import { BrokerError } from '../../errors/errors.ts'
import type { Log } from '../../runtime/runtime.ts'
import { createLineBuffer } from './line-buffer.ts'
import type { LineOutput } from './line-output.ts'

export type AuditWriter = ReturnType<typeof createAuditWriter>

/** `starting`: nothing was written yet. `failing`: the system reports an error. `slow`: the oldest line waits too long. `full`: too many lines wait. */
type Trouble = 'starting' | 'failing' | 'slow' | 'full'

/** Lines of reads are written after this time. */
const BATCH_MS = 20
/** A batch of this size is written at once. */
const BATCH_BYTES = 256 * 1024
/** Limits of the queue. */
export const LIMIT_BYTES = 16 * 1024 * 1024
export const LIMIT_MS = 5_000
const WATCH_MS = 100
const RETRY_MS = 250
const CLOSE_MS = 2_000

export function createAuditWriter(dependencies: {
  readonly output: LineOutput
  readonly monotonic: () => number
  readonly log: Pick<Log, 'info' | 'error'>
}) {
  const { output, monotonic, log } = dependencies
  const closing = new AbortController()
  const lines = createLineBuffer()
  let waiters: { readonly upTo: number; resolve(): void; reject(error: Error): void }[] = []
  let taken = 0
  let written = 0
  let inFlight = 0
  let timer: NodeJS.Timeout | undefined
  let pumping: Promise<void> | undefined
  let trouble: Trouble | undefined = 'starting'

  const block = (reason: Trouble, error?: unknown) => {
    if (trouble !== undefined && trouble !== 'starting') return
    trouble = reason
    log.error(
      {
        code: 'audit_unavailable',
        reason,
        waitingBytes: inFlight + lines.size(),
        ...(error !== undefined && { err: error }),
      },
      'audit lines cannot be written: token reads and changes are refused until they can',
    )
    const rejected = waiters
    waiters = []
    for (const { reject } of rejected) reject(auditUnavailable())
  }

  const settle = () => {
    const done = waiters.filter(({ upTo }) => upTo <= written)
    waiters = waiters.filter(({ upTo }) => upTo > written)
    for (const { resolve } of done) resolve()
    if (trouble === undefined || lines.size() > LIMIT_BYTES / 2) return
    if (trouble !== 'starting') log.info({}, 'audit lines can be written again')
    trouble = undefined
  }

  const retry = async (error: unknown) => {
    if (closing.signal.aborted) throw error
    block('failing', error)
    await sleep(RETRY_MS, undefined, { signal: closing.signal })
  }

  /** Writes all waiting lines at once. Lines that arrive meanwhile are the next batch. */
  const pump = async () => {
    clearTimeout(timer)
    timer = undefined
    const batch = lines.take()
    const upTo = taken
    inFlight = batch.length
    const startedAt = monotonic()
    const watch = setInterval(() => {
      if (monotonic() - startedAt > LIMIT_MS) block('slow')
    }, WATCH_MS)
    try {
      await output.write(batch, { retry, signal: closing.signal })
      written = upTo
      inFlight = 0
      settle()
    } finally {
      clearInterval(watch)
      pumping = undefined
    }
    if (lines.size() > 0) schedule(waiters.length > 0)
  }

  const schedule = (isUrgent: boolean) => {
    if (pumping || closing.signal.aborted) return
    if (isUrgent || lines.size() > BATCH_BYTES) pumping = pump().catch(givenUp)
    else timer ??= setTimeout(() => schedule(true), BATCH_MS)
  }

  /** Only `close` gives up a batch, and it counts the lost lines. */
  const givenUp = (error: unknown) => {
    if (!closing.signal.aborted) block('failing', error)
  }

  /** Resolves when all accepted lines are written. Throws `audit_unavailable` if they are not written now. They stay accepted. */
  const flushed = (): Promise<void> => {
    if (written === taken) return Promise.resolve()
    if (trouble !== undefined && trouble !== 'starting') return Promise.reject(auditUnavailable())
    return new Promise((resolve, reject) => {
      waiters.push({ upTo: taken, resolve, reject })
      schedule(true)
    })
  }

  return {
    /** Accepts a complete line. It is written within 20 ms if there is no failure. */
    write(line: string): void {
      lines.add(line)
      taken += 1
      if (inFlight + lines.size() > LIMIT_BYTES) block('full')
      schedule(false)
    },
    flushed,
    /** Whether lines cannot be written, so that nothing more may be handed out. True until the first line is written. */
    isBlocked: (): boolean => trouble !== undefined,
    waitingBytes: (): number => inFlight + lines.size(),
    writtenLines: (): number => written,
    /** Waits for the last lines, at most 2 s. Returns the number of lines that could not be written. */
    async close(): Promise<number> {
      const deadline = monotonic() + CLOSE_MS
      while (written < taken && monotonic() < deadline) {
        schedule(true)
        await Promise.race([pumping, sleep(deadline - monotonic(), undefined, { ref: false })])
      }
      clearTimeout(timer)
      closing.abort()
      await output.close()
      return taken - written
    },
  }
}

export const auditUnavailable = () =>
  new BrokerError('audit_unavailable', 'Audit lines cannot be written at present', {
    retryAfterMs: 2_000,
  })
