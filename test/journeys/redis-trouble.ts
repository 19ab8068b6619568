/** What is to be read of a trouble with Redis, and reading it: in the log and in `/readyz` of a real process. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Environment } from '../../src/config/config.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import type { RedisCause } from '../../src/store/redis-connection/cause.ts'
import { newAdminKey, spawnValetkey, startUnreadyProcess } from '../support/broker.ts'
import { readDocument } from '../support/document.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'

export interface Trouble {
  readonly cause: RedisCause
  /** Of Redis, TLS or the network. */
  readonly code: string | RegExp
  readonly command?: string | RegExp
  readonly node?: 'server' | 'seed' | 'node' | 'sentinel'
  readonly host?: string
  readonly port?: number
  readonly url: string
  readonly env?: Environment
}

/** By what is the matter. */
export type Troubles = Readonly<Record<string, (t: Test) => Promise<Trouble>>>

export const keyring = generateKeyring(Date.now()).reveal()

export async function redis(t: Test, ...args: readonly string[]): Promise<RedisServer> {
  const server = await startRedis({ args })
  t.teardown(() => server.stop())
  return server
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-troubles-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** One that watches this server as `main`. */
export async function sentinelOf(t: Test, master: RedisServer, ...lines: readonly string[]) {
  const config = join(await folder(t), 'sentinel.conf')
  const watch = `sentinel monitor main 127.0.0.1 ${master.port} 1`
  await writeFile(config, [watch, ...lines, ''].join('\n'))
  const sentinel = await startRedis({ config, args: ['--sentinel'] })
  t.teardown(() => sentinel.stop())
  return sentinel
}

export interface Line {
  readonly level: string
  readonly msg: string
  readonly cause?: string
  readonly host?: string
  readonly port?: number
  readonly integration?: string
}

export const linesOf = (output: string): readonly Line[] =>
  output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.startsWith('valetkey: ') ? { level: 'end', msg: line } : JSON.parse(line)))

/** What is not said by the service about itself. */
export const isTrouble = ({ level }: Line) =>
  level === 'warn' || level === 'error' || level === 'end'

/** One line of each cause and server, the same in `/readyz`, and a section of the documents. */
export async function readTrouble(t: Test, make: Troubles[string]): Promise<void> {
  const trouble = await make(t)
  const { cause, code, url } = trouble
  const adminKey = newAdminKey()
  const env = { VALETKEY_REDIS_URL: url, VALETKEY_KEYRING: keyring, ...trouble.env }
  const wanted = {
    ...{ cause, code, node: trouble.node ?? 'server', host: trouble.host ?? '127.0.0.1' },
    ...(trouble.port !== undefined && { port: trouble.port }),
    ...(trouble.command !== undefined && { command: trouble.command }),
    see: `docs/redis.md#${cause}`,
  }
  if (cause === 'database') {
    const { output, status } = await runToEnd(env, adminKey)
    t.equal(status, 78)
    t.match(
      linesOf(output).find((line) => line.cause),
      wanted,
    )
    t.match(output, /^valetkey: VALETKEY_REDIS_URL: .*the database of the URL/m)
    return
  }
  const broker = await startUnreadyProcess(t, { env, adminKey })
  const told = () => linesOf(broker.output()).filter(isTrouble)
  await eventually(() => told().some((line) => line.cause === cause))
  const check = async () => {
    const { body } = await broker.call('GET', '/readyz')
    return body.checks.find(({ name }: { name: string }) => name === 'store_trouble')
  }
  await eventually(async () => (await check()).detail.includes(`docs/redis.md#${cause}`))
  t.match(await check(), { ok: false })
  t.equal((await broker.call('GET', '/readyz')).status, 503)
  t.match(
    told().find((line) => line.cause === cause),
    wanted,
  )
  t.match(readDocument('docs/redis.md').text, new RegExp(`^### ${cause}$`, 'm'))
  const said = told().map(({ host, port, cause: why }) => `${host}:${port} ${why}`)
  t.equal(
    new Set(said).size,
    said.length,
    told()
      .map(({ msg }) => msg)
      .join('\n'),
  )
  t.ok(
    told().every((line) => line.cause !== undefined || line.integration !== undefined),
    'and nothing else is said but what is at stake',
  )
  t.notMatch(broker.output(), /canary|parrot/)
  t.notMatch(broker.output(), /"stack"|^ {4}at /m)
  t.equal(await broker.kill('SIGTERM'), 0, 'it was there to be ended')
}

async function runToEnd(env: Environment, adminKey: string) {
  const child = spawnValetkey(['serve'], {
    ...{ VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_ADMIN_KEY: adminKey },
    ...env,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text) => {
      output += text
    })
  }
  const status = await new Promise((resolve) => child.once('close', resolve))
  return { output, status }
}
