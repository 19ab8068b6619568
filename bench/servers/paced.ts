/** The process of `startPaced`: requests in their time until it is told to stop, then what they took. */
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import { Pool } from 'undici'
import type { Paced, PacedOptions } from '../paced.ts'

const options: PacedOptions = JSON.parse(process.argv[2] ?? '')
const { url, paths, perSecond, headers = {}, yields = false } = options
if (yields) setPriority(constants.priority.PRIORITY_LOW)

const TICK_MS = 5
const pool = new Pool(url, { connections: 16, pipelining: 1 })
const tookMs: number[] = []
const under = new Set<Promise<void>>()
let failures = 0
let sent = 0

async function ask(path: string): Promise<void> {
  const startedAt = performance.now()
  try {
    const answer = await pool.request({ method: 'GET', path, headers })
    await answer.body.dump({ limit: Number.MAX_SAFE_INTEGER })
    tookMs.push(performance.now() - startedAt)
    if (answer.statusCode >= 500) failures += 1
  } catch {
    failures += 1
  }
}

const startedAt = performance.now()
const timer = setInterval(() => {
  const due = ((performance.now() - startedAt) * perSecond) / 1000
  for (; sent < due; sent += 1) {
    const asked = ask(paths[sent % paths.length] ?? '/')
    under.add(asked)
    void asked.finally(() => under.delete(asked))
  }
}, TICK_MS)

await once(process, 'message')
clearInterval(timer)
await Promise.all(under)
await pool.close()
process.send?.({ tookMs, failures } satisfies Paced)
process.disconnect()
