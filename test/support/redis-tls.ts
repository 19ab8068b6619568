/** A real Redis that speaks TLS alone, with a certificate of a CA made for the test. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority, type Issued, type IssueOptions } from './authority.ts'
import { type RedisServer, startRedis } from './redis.ts'

export interface TlsRedis {
  /** `rediss://127.0.0.1:PORT` */
  readonly url: string
  readonly server: RedisServer
  readonly caFile: string
}

export interface TlsFiles {
  readonly caFile: string
  /** What a Redis needs that speaks TLS at some port. */
  readonly args: readonly string[]
  /** What a Redis with TLS alone needs. */
  serverArgs(port: number): readonly string[]
  /** A certificate that the CA signed for a client, in two files. */
  client(): Promise<{ readonly certFile: string; readonly keyFile: string }>
  issueClient(): Issued
  /** Writes a file in the place of the former one, at once. */
  write(name: string, text: string): Promise<string>
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** A CA, and a server's certificate that it signed for these names (`DNS:…`, `IP:…`). */
export async function tlsFiles(
  t: Teardown,
  san: string,
  validity: Pick<IssueOptions, 'notBefore' | 'notAfter'> = {},
): Promise<TlsFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-redis-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const authority = createAuthority(t)
  const write = async (name: string, text: string) => {
    const path = join(folder, name)
    await writeFile(`${path}.new`, text, { mode: 0o600 })
    await rename(`${path}.new`, path)
    return path
  }
  const pair = async (name: string, { cert, key }: Issued) => ({
    certFile: await write(`${name}.crt`, cert),
    keyFile: await write(`${name}.key`, key),
  })
  const caFile = await write('ca.crt', authority.certificate)
  // Nodes of a Cluster are clients of one another.
  const server = await pair(
    'redis',
    authority.issue({ san, purpose: 'serverAuth,clientAuth', ...validity }),
  )
  const args = [
    ...['--tls-ca-cert-file', caFile, '--tls-cert-file', server.certFile],
    ...['--tls-key-file', server.keyFile, '--tls-cluster', 'yes', '--tls-replication', 'yes'],
  ]
  return {
    caFile,
    write,
    args,
    serverArgs: (port) => ['--port', '0', '--tls-port', String(port), ...args],
    issueClient: () => authority.issue({ purpose: 'clientAuth' }),
    client: () => pair('client', authority.issue({ purpose: 'clientAuth' })),
  }
}

/** Ends with the test. */
export async function startTlsRedis(
  t: Teardown,
  { san = 'IP:127.0.0.1', args = ['--tls-auth-clients', 'no'], validity = {} } = {},
): Promise<TlsRedis> {
  const files = await tlsFiles(t, san, validity)
  const server = await startRedis({
    args: async (port) => [...files.serverArgs(port), ...args],
  })
  t.teardown(() => server.stop())
  return { url: `rediss://127.0.0.1:${server.port}`, server, caFile: files.caFile }
}
