/** A real Redis that speaks TLS alone, with a certificate of a CA made for the test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from './authority.ts'
import { startRedis } from './redis.ts'

export interface TlsRedis {
  /** `rediss://…` */
  readonly url: string
  readonly caFile: string
}

/** Ends with the test. */
export async function startTlsRedis(t: { teardown(end: () => unknown): void }): Promise<TlsRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-redis-tls-'))
  const authority = createAuthority(t)
  const { cert, key } = authority.issue({ san: 'IP:127.0.0.1', purpose: 'serverAuth' })
  const files = {
    ca: join(folder, 'ca.crt'),
    cert: join(folder, 'redis.crt'),
    key: join(folder, 'redis.key'),
  }
  await writeFile(files.ca, authority.certificate)
  await writeFile(files.cert, cert)
  await writeFile(files.key, key, { mode: 0o600 })
  const server = await startRedis({
    args: async (port) => [
      ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no'],
      ...['--tls-ca-cert-file', files.ca, '--tls-cert-file', files.cert],
      ...['--tls-key-file', files.key],
    ],
  })
  t.teardown(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return { url: `rediss://127.0.0.1:${server.port}`, caFile: files.ca }
}
