/** A broker for tests: in this process with its own clock, or as a real process. */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { type App, createApp } from '../../src/app/app.ts'
import type { AppEnvironment } from '../../src/app/app-dependencies.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { LineOutput } from '../../src/audit/output/line-output.ts'
import { type Environment, readConfig } from '../../src/config/config.ts'
import { generateKeyring, keyringOf } from '../../src/crypto/keyring.ts'
import { createLogger } from '../../src/logger/logger.ts'
import { createRuntime } from '../../src/runtime/runtime.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { createRedisStore } from '../../src/store/redis/redis-store.ts'
import { watchedProcess } from './answer-watch.ts'
import { type Call, createCaller } from './caller.ts'
import { endWithThisProcess } from './children.ts'
import { ENTRY_POINT, SOURCE_ENTRY_POINT } from './entry-point.ts'
import { eventually } from './eventually.ts'

export interface TestBroker {
  readonly url: string
  readonly adminKey: string
  readonly call: Call
  readonly app: App
  /** What it logged so far. */
  logs(): string
  /** The audit lines so far. */
  audit(): readonly AuditEvent[]
  stop(): Promise<void>
}

export interface BrokerOptions {
  /** Loopback URLs that a login_url may name. */
  readonly loginHosts: readonly string[]
  /** Unset: the embedded store in a folder of its own. */
  readonly redisUrl?: string
  readonly redisPrefix?: string
  readonly dataDir?: string
  readonly keyring?: string
  readonly adminKey?: string
  readonly env?: Environment
  readonly now?: () => number
  /** Of the clock that never steps. Default: as far ahead of the machine's own as `now` is: time has passed. */
  readonly monotonic?: () => number
  readonly random?: () => number
  /** Of the names of login hosts. Default: as the machine does. */
  readonly lookup?: NonNullable<AppEnvironment['lookup']>
}

/** Takes every line at once. */
function memoryAudit() {
  let text = ''
  const output: LineOutput = {
    async write(lines) {
      text += Buffer.from(lines).toString()
    },
    close: async () => undefined,
  }
  const events = () =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditEvent)
  return { output, events }
}

export const newAdminKey = (): string => randomBytes(32).toString('base64url')

interface Teardown {
  teardown(end: () => unknown): void
}

/** Ends with the test. */
export async function startBroker(t: Teardown, options: BrokerOptions): Promise<TestBroker> {
  const adminKey = options.adminKey ?? newAdminKey()
  const keyring = options.keyring ?? generateKeyring(Date.now()).reveal()
  const folder = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'valetkey-data-')))
  const env = {
    VALETKEY_PORT: '0',
    VALETKEY_METRICS_PORT: '0',
    VALETKEY_DATA_DIR: folder,
    VALETKEY_ADMIN_KEY: adminKey,
    VALETKEY_KEYRING: keyring,
    VALETKEY_LOGIN_HOSTS: options.loginHosts.join(','),
    VALETKEY_REDIS_URL: options.redisUrl,
    VALETKEY_REDIS_PREFIX: options.redisPrefix,
    VALETKEY_LOG_LEVEL: 'debug',
    ...options.env,
  }
  const config = readConfig(env, { readFile: () => '' })
  const lines: string[] = []
  const audit = memoryAudit()
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const log = createLogger({ level: config.logLevel, destination: sink })
  const { now, random, lookup } = options
  const passed = now && (() => performance.now() + now() - Date.now())
  const monotonic = options.monotonic ?? passed
  const store = config.redisUrl
    ? await createRedisStore({
        connection: { url: config.redisUrl },
        prefix: config.redisPrefix,
        waitReplicas: config.redisWaitReplicas,
        onEvent: (event) => log.debug({ event: event.type }, 'redis'),
      })
    : createEmbeddedStore({ dataDir: folder, ...(now && { now }) })
  const app = await createApp({
    config,
    log,
    runtime: createRuntime({ log, now, monotonic, random }),
    store,
    keys: {
      keyring: keyringOf(config.keyring ?? generateKeyring(Date.now())),
      adminKeys: config.adminKeys,
    },
    environment: {
      version: '0.0.0-test',
      auditOutput: audit.output,
      readFile: (path, encoding = 'utf8') => readFileSync(path, encoding),
      ...(lookup && { lookup }),
    },
  })
  app.start()
  await app.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.server.address() as { port: number }
  const url = `http://127.0.0.1:${port}`
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= app.stop().then(async () => {
      if (options.dataDir === undefined) await rm(folder, { recursive: true, force: true })
    })
    return stopped
  }
  t.teardown(stop)
  const call = createCaller(url, adminKey)
  await eventually(async () => (await call('GET', '/readyz')).status === 200)
  return { url, adminKey, call, app, logs: () => lines.join(''), audit: audit.events, stop }
}

export interface BrokerProcess {
  readonly url: string
  readonly pid: number
  readonly child: ChildProcess
  readonly call: Call
  /** Both streams so far. */
  output(): string
  /** Sends the signal and waits for the end; gives the exit status, or the signal that ended it. */
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

export interface ProcessOptions extends SpawnOptions {
  readonly env: Environment
  readonly adminKey: string
}

export interface SpawnOptions {
  /** The folder that has `src/`. Default: that of `ENTRY_POINT`, or the project where `nodeArgs` are given. */
  readonly root?: string
  /** More arguments of node, before the entry point. */
  readonly nodeArgs?: readonly string[]
  /** False: it is measured, so its answers are not looked at. Default true, in tests, for what answers. */
  readonly isWatched?: boolean
}

/** The limits of memory that the image gives. */
const YOUNG_LIMIT = '--max-semi-space-size=8'
const ARENAS = { MALLOC_ARENA_MAX: '2' }

/** The command as it is started in production: `node --max-semi-space-size=8 src/valetkey.js serve`. */
export function spawnValetkey(
  args: readonly string[],
  env: Environment,
  { root, nodeArgs = [], isWatched = args[0] === 'serve' }: SpawnOptions = {},
): ChildProcess {
  const watched = isWatched ? watchedProcess() : { nodeArgs: [], env: {} }
  const given = [YOUNG_LIMIT, ...watched.nodeArgs, ...nodeArgs]
  // What a test loads beforehand reaches into the sources.
  const own = nodeArgs.length > 0 ? SOURCE_ENTRY_POINT : ENTRY_POINT
  const entryPoint = root === undefined ? own : join(root, 'src/valetkey.js')
  const command = [...given, entryPoint, ...args]
  const child = spawn(process.execPath, command, {
    env: { PATH: process.env.PATH, ...ARENAS, ...watched.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return endWithThisProcess(child)
}

/** Waits until it listens and is ready. Ends with the test. */
export async function startBrokerProcess(
  t: Teardown,
  options: ProcessOptions,
): Promise<BrokerProcess> {
  const broker = await startUnreadyProcess(t, options)
  await eventually(async () => (await broker.call('GET', '/readyz')).status === 200)
  return broker
}

/** Waits until it listens. Ends with the test. */
export async function startUnreadyProcess(
  t: Teardown,
  { env, adminKey, ...spawning }: ProcessOptions,
): Promise<BrokerProcess> {
  const child = spawnValetkey(
    ['serve'],
    { VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_ADMIN_KEY: adminKey, ...env },
    spawning,
  )
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGCONT')
      child.kill(signal)
    }
    const [code, by] = await exited
    return code ?? by ?? 0
  }
  t.teardown(() => kill('SIGKILL'))
  const port = await eventually(() => {
    if (child.exitCode !== null)
      throw new Error(`the broker ended with ${child.exitCode}: ${output}`)
    return /"port":(\d+).*"listening"/.exec(output)?.[1]
  })
  const url = `http://127.0.0.1:${port}`
  const call = createCaller(url, adminKey)
  return { url, pid: child.pid ?? 0, child, call, output: () => output, kill }
}
