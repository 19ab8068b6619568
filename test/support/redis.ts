/** Real Redis servers for tests: on loopback, on free ports, in folders of their own, and gone with the test. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { eventually } from './eventually.ts'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Of the process that runs now. */
  readonly pid: number
  readonly dir: string
  /** `SIGSTOP` and `SIGCONT` take effect at once; the others are waited for. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends it if it runs, and starts it again on the same port and folder. */
  restart(): Promise<void>
  /** Ends it, and removes the folder if it was made for it. */
  stop(): Promise<void>
}

export interface RedisServerOptions {
  /** More arguments of `redis-server`, such as `['--appendonly', 'yes']`; or what gives them, once for each port that is tried. */
  readonly args?: readonly string[] | ((port: number) => Promise<readonly string[]>)
  /** A configuration file, which a Sentinel writes to. */
  readonly config?: string
  /** A folder to keep; by default a temporary one. */
  readonly dir?: string
  /** The server's program. Default: {@link REDIS_PROGRAM}. */
  readonly program?: string
}

/** What every test runs against: `VALETKEY_TEST_REDIS`, a path, or `redis-server` of the PATH. */
export const REDIS_PROGRAM = process.env.VALETKEY_TEST_REDIS || 'redis-server'

const START_DEADLINE_MS = 30_000
const ATTEMPTS = 10
/** A Sentinel says that it is ready by naming itself. */
const READY = /Ready to accept connections|Sentinel ID is/

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'valetkey-redis-')))
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const args = typeof options.args === 'function' ? await options.args(port) : options.args
    const own = [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', ''],
      // A master waits for more replicas before it sends the first one anything, 5 seconds by default.
      ...['--repl-diskless-sync-delay', '0'],
    ]
    const program = options.program ?? REDIS_PROGRAM
    const start = () =>
      launch(program, [...(options.config ? [options.config] : []), ...own, ...(args ?? [])])
    try {
      return handle(await start(), { start, port, dir, keepsDir: options.dir !== undefined })
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      if (attempt === ATTEMPTS) throw error
    }
  }
}

export interface RedisReplicaOptions {
  readonly master: RedisServer
  readonly args?: readonly string[]
}

/** A replica that is in step with its master. */
export async function startReplica(options: RedisReplicaOptions): Promise<RedisServer> {
  const { master, args = [] } = options
  const replica = await startRedis({
    args: [...args, '--replicaof', '127.0.0.1', String(master.port)],
  })
  await eventually(async () => {
    const info = await ask(replica.port, (client) => client.info('replication'))
    return info?.includes('master_link_status:up')
  })
  return replica
}

interface Handle {
  readonly start: () => Promise<ChildProcess>
  readonly port: number
  readonly dir: string
  readonly keepsDir: boolean
}

function handle(first: ChildProcess, { start, port, dir, keepsDir }: Handle): RedisServer {
  let server = first
  const isRunning = () => server.exitCode === null && server.signalCode === null

  async function kill(signal: NodeJS.Signals): Promise<void> {
    if (!isRunning()) return
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      server.kill(signal)
      return
    }
    const exited = once(server, 'exit')
    server.kill(signal)
    await exited
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return server.pid ?? 0
    },
    dir,
    kill,
    async restart() {
      await kill('SIGKILL')
      server = await start()
    },
    async stop() {
      await kill('SIGKILL')
      if (!keepsDir) await rm(dir, { recursive: true, force: true })
    },
  }
}

async function launch(program: string, args: readonly string[]): Promise<ChildProcess> {
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  guard(server)
  await ready(server)
  return server
}

/** A test that is killed must not leave a server behind: this shell lives as long as the pipe from here, and then ends the server. */
function guard(server: ChildProcess): void {
  const shell = spawn('/bin/sh', ['-c', `read -r line; kill -9 ${server.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  if (shell.stdin instanceof Socket) shell.stdin.unref()
  server.once('exit', () => shell.kill('SIGKILL'))
}

/** Until it says that it accepts connections. */
function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    const timer = setTimeout(() => fail('did not start in time'), START_DEADLINE_MS)
    const fail = (why: string) => {
      clearTimeout(timer)
      server.kill('SIGKILL')
      reject(new Error(`redis-server ${why}\n${log}`))
    }
    server.once('error', (error) => fail(`cannot be started: ${error.message}`))
    const ended = (code: number | null, signal: NodeJS.Signals | null) =>
      fail(`ended with ${code ?? signal}`)
    server.once('exit', ended)
    server.stdout?.setEncoding('utf8')
    server.stdout?.on('data', (text: string) => {
      // Read on for ever, or the server blocks on a full pipe.
      if (log.length < 100_000) log += text
      if (READY.test(log)) {
        clearTimeout(timer)
        server.off('exit', ended)
        resolve()
      }
    })
  })
}

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No port')
  return address.port
}

/** Asks one server, on a connection of its own; undefined where it does not answer. */
export async function ask<Answer>(
  port: number,
  question: (client: Redis) => Promise<Answer>,
): Promise<Answer | undefined> {
  const client = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    protocol: 2,
    enableReadyCheck: false,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await question(client)
  } catch {
    return undefined
  } finally {
    client.disconnect()
  }
}
