/** The process of `startPaced`: sends requests in their time until it is told to stop, then reports a summary. */
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import { Pool } from 'undici'
import type { Paced, PacedOptions } from '../paced.ts'

const options: PacedOptions = JSON.parse(process.argv[2] ?? '')
const { url, perSecond, headers = {}, yields = false } = options
if (yields) setPriority(constants.priority.PRIORITY_LOW)

const TICK_MS = 5
const ANSWER_MS = 10_000
const paths = Object.entries(options.paths)
const pool = new Pool(url, {
  ...{ connections: 16, pipelining: 1 },
  ...{ connectTimeout: ANSWER_MS, headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS },
})
const tookMs: number[] = []
const under = new Set<Promise<void>>()
let failures = 0
let sent = 0

async function ask(path: string, statuses: readonly number[]): Promise<void> {
  const startedAt = performance.now()
  try {
    const answer = await pool.request({
      ...{ method: 'GET', path, headers },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    await answer.body.dump({ limit: Number.MAX_SAFE_INTEGER })
    if (statuses.includes(answer.statusCode)) tookMs.push(performance.now() - startedAt)
    else failures += 1
  } catch {
    failures += 1
  }
}

const startedAt = performance.now()
const timer = setInterval(() => {
  const due = ((performance.now() - startedAt) * perSecond) / 1000
  for (; sent < due; sent += 1) {
    const asked = ask(...(paths[sent % paths.length] ?? ['/', []]))
    under.add(asked)
    void asked.finally(() => under.delete(asked))
  }
}, TICK_MS)

/** The process that started this one may be gone without a word. */
const orphaned = () => process.exit(1)
process.once('disconnect', orphaned)
await once(process, 'message')
clearInterval(timer)
await Promise.all(under)
await pool.close()
tookMs.sort((a, b) => a - b)
const p99Ms = tookMs[Math.floor(tookMs.length * 0.99)] ?? null
process.send?.({ answered: tookMs.length, p99Ms, failures } satisfies Paced)
process.off('disconnect', orphaned)
process.disconnect()
