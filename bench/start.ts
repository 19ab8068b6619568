/** From the start of the process to `/readyz` 200, with the embedded store in an empty folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawnValetkey } from '../test/support/broker.ts'
import { type Spread, spreadOf } from './ratio.ts'

/** In milliseconds. The first start of a release compiles; it is not counted. */
export async function benchStart(rounds: number): Promise<Spread> {
  await startOnce()
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) times.push(await startOnce())
  return spreadOf(times)
}

/** In milliseconds. */
export async function startOnce(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  const port = await freePort()
  const startedAt = performance.now()
  const env = {
    VALETKEY_PORT: String(port),
    VALETKEY_METRICS_PORT: '0',
    VALETKEY_DATA_DIR: folder,
  }
  const child = spawnValetkey(['serve'], env, { isWatched: false })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  try {
    while (!(await isReady(port))) await sleep(5)
    return performance.now() - startedAt
  } finally {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true })
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200
  } catch (error) {
    // Nobody listens yet.
    if (error instanceof TypeError) return false
    throw error
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
