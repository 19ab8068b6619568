/** The thread of `startPaced`: requests in their time until it is told to stop, then what they took. */
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { Pool } from 'undici'
import type { Paced, PacedOptions } from '../paced.ts'

const { url, paths, perSecond, headers = {} } = workerData as PacedOptions
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

if (parentPort) {
  await once(parentPort, 'message')
  clearInterval(timer)
  await Promise.all(under)
  await pool.close()
  parentPort.postMessage({ tookMs, failures } satisfies Paced)
  parentPort.close()
}
