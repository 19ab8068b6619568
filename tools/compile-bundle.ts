/**
 * `npm run build`, second part: keeps the code of all functions that a start runs in `dist/main.code`.
 * It takes another folder as the first part does. Only the same version of Node can use it, so the Dockerfile runs this with the Node of the image.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { loadBundle as load } from '../src/process/bundle.ts'

const [, , folder] = process.argv
const DIST = folder ? pathToFileURL(`${folder}/`) : new URL('../dist/', import.meta.url)
const READY_MS = 30_000

const { loadBundle }: { loadBundle: typeof load } = await import(new URL('start.js', DIST).href)
const dataDir = mkdtempSync(join(tmpdir(), 'valetkey-build-'))
try {
  const port = await freePort()
  // What the shell sets is of another service, whose store this one must not touch.
  for (const name of Object.keys(process.env)) {
    if (/^(?:VALETKEY|OTEL)_/.test(name)) delete process.env[name]
  }
  Object.assign(process.env, {
    VALETKEY_HOST: '127.0.0.1',
    VALETKEY_PORT: String(port),
    VALETKEY_METRICS_PORT: String(await freePort()),
    VALETKEY_DATA_DIR: dataDir,
    VALETKEY_LOG_LEVEL: 'warn',
    // `npm pack --json` prints nothing else.
    VALETKEY_AUDIT_FILE: join(dataDir, 'audit'),
  })
  const bundle = loadBundle(DIST)
  await bundle.startService(process.env)
  await ready(`http://127.0.0.1:${port}`)
  writeFileSync(new URL('main.code', DIST), bundle.compiled())
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}
// The service has no other end than a signal.
process.exit()

async function ready(url: string): Promise<void> {
  const end = performance.now() + READY_MS
  while ((await fetch(`${url}/readyz`)).status !== 200) {
    if (performance.now() > end) throw new Error('the bundle is not ready in time')
    await sleep(20)
  }
  // The answer to a caller, and to one whom nobody knows.
  await fetch(`${url}/whoami`)
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
