/** Runs the service: settings, store, server, signals, shutdown. */
import { readFileSync } from 'node:fs'
import { type App, createApp } from '../app/app.ts'
import { openStore } from '../app/open-store.ts'
import { createDescriptor } from '../audit/output/descriptor.ts'
import { createLineOutput, type LineOutput } from '../audit/output/line-output.ts'
import { createAuditOutput } from '../audit/output/output.ts'
import { type Config, type Environment, readConfig } from '../config/config.ts'
import { ConfigError } from '../config/config-error.ts'
import { prepareDataDir } from '../config/data-dir.ts'
import { parseConfigurationFile } from '../config/file.ts'
import { planKeyring } from '../config/keyring-keys.ts'
import type { ReadFile } from '../config/loader.ts'
import { readSigners } from '../config/signers-file.ts'
import type { Secret } from '../crypto/secret.ts'
import { createServerTls } from '../http/server/tls.ts'
import { createLogOutput } from '../logger/log-output.ts'
import { createLogger, type Logger } from '../logger/logger.ts'
import { createRuntime, sleep } from '../runtime/runtime.ts'
import { databasePath } from '../store/embedded/file.ts'
import { fileTroubleLog } from '../store/embedded/file-trouble.ts'
import { redisEventLog } from '../store/redis/event-log.ts'
import type { Store } from '../store/store.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { banner } from './banner.ts'
import { setEngineFlags } from './engine-flags.ts'
import { listen } from './listening.ts'
import { openKeys } from './open-keys.ts'
import { collectAtRest } from './start-garbage.ts'

/** sysexits.h: an internal error. */
const EX_SOFTWARE = 70
/** Time limit of a shutdown. The last second is for the log. */
const STOP_MS = 8_700
/** Clients with periodic requests get an answer that closes the connection. Current requests have until `cutOffMs`. */
const DRAIN_TIMES = { quietMs: 1_000, longestMs: 5_000, cutOffMs: 8_000 }
const STDOUT = 1

interface Held {
  readonly store: Store
  readonly keyring: Secret
  readonly adminKeys: readonly Secret[]
  readonly adminKeyPath?: string | undefined
}

/** Runs until a signal. Throws `ConfigError` before it listens. */
export async function serve(env: Environment, version: string): Promise<void> {
  setEngineFlags()
  const config = readSettings(env)
  const stdout = createLineOutput(createDescriptor(STDOUT))
  const logOutput = createLogOutput({ send: (text) => stdout.write(text) })
  let tracing: Tracing | undefined
  const log = createLogger({
    level: config.logLevel,
    destination: logOutput,
    ...(config.otlpEndpoint !== undefined && { members: () => tracing?.logMembers() ?? {} }),
  })
  endOnBug(log)
  ignoreDebugger(log)
  const tls = openTls(config, log)
  const { store, keyring, adminKeys, adminKeyPath } = await hold(config, log)
  tracing = await openTracing(config, version, log)
  const runtime = createRuntime({ log })
  const opened = await openKeys({ config, keyring, store, readFile, tls, runtime, log })
  if (!opened) return
  const app = await createApp({
    ...{ config, log, runtime, store, tracing },
    keys: { ...opened, adminKeys },
    environment: {
      version,
      readFile,
      auditOutput: openAudit(config, stdout),
      droppedLogLines: logOutput.droppedLines,
      ...(tls && { tls }),
      drainTimes: DRAIN_TIMES,
    },
  })
  reloadOnSignal(app)
  stopOnSignal(app, log)
  app.start()
  const { host, metricsPort } = config
  const { metrics, server } = app
  if (metrics) {
    await listen('VALETKEY_METRICS_PORT', { host, port: metricsPort }, metrics.listen, app.stop)
  }
  await listen('VALETKEY_PORT', { host, port: config.port }, (to) => server.listen(to), app.stop)
  const { port } = server.server.address() as { port: number }
  log.info(
    { host, port, metricsPort, version, store: config.redisUrl ? 'redis' : 'embedded' },
    'listening',
  )
  collectAtRest()
  if (process.stdout.isTTY) {
    const scheme = tls ? 'https' : 'http'
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
    const where = config.redisUrl ? 'Redis' : `embedded, in ${config.dataDir}`
    const { docs, statusPage } = config
    stdout.write(banner({ version, url, docs, statusPage, store: where, adminKeyPath }))
  }
}

const readFile: ReadFile = (path, encoding = 'utf8') => readFileSync(path, encoding)

/** Reads the settings and the configuration file and reports the mistakes of both. */
function readSettings(env: Environment): Config {
  const file = env.VALETKEY_CONFIG ? readConfigurationFile(env.VALETKEY_CONFIG) : undefined
  const mistakes = [
    ...(file?.mistakes ?? []),
    ...mistakesOf(() => readSigners(env.VALETKEY_SIGNERS || undefined, readFile)),
  ]
  try {
    const config = readConfig(env, { readFile, makesApiKeys: () => file?.makesApiKeys ?? false })
    const { keyring, signersFile } = config
    if (keyring && mistakes.length === 0) {
      mistakes.push(...mistakesOf(() => planKeyring(keyring, signersFile, readFile)))
    }
    if (mistakes.length === 0) return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError([...error.mistakes, ...mistakes])
  }
  throw new ConfigError(mistakes)
}

function mistakesOf(read: () => unknown): readonly string[] {
  try {
    read()
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
}

/** An invalid file counts as one with a caller, so that only its own mistakes are reported. */
function readConfigurationFile(path: string) {
  try {
    const { callers } = parseConfigurationFile(readFile(path))
    const makesApiKeys = callers.some(({ permissions }) => permissions.includes('api-keys:write'))
    return { makesApiKeys, mistakes: [] }
  } catch (error) {
    const found = error instanceof ConfigError ? error.mistakes : [unreadable(path, error)]
    return { makesApiKeys: true, mistakes: found.map((mistake) => `VALETKEY_CONFIG: ${mistake}`) }
  }
}

/** For example `/etc/valetkey.yaml cannot be read: there is no such file (ENOENT)`. */
function unreadable(path: string, error: unknown): string {
  const { code = 'unknown' } = error as NodeJS.ErrnoException
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'this user may not read it',
    EISDIR: 'it is a directory',
    ENOTDIR: 'a part of the path is not a directory',
  }
  return `${path} cannot be read${why[code] === undefined ? '' : `: ${why[code]}`} (${code})`
}

/** Locks the data folder for this process before it creates files in it. */
async function hold(config: Config, log: Logger): Promise<Held> {
  const store = await openStore(config, {
    onRedisEvent: redisEventLog(log, () => performance.now()),
    onFileTrouble: fileTroubleLog(log, databasePath(config.dataDir)),
  })
  if (config.redisUrl && config.keyring) {
    return { store, keyring: config.keyring, adminKeys: config.adminKeys }
  }
  const made = await prepareDataDir(config, { now: Date.now })
  for (const warning of made.warnings) log.warn(warning)
  if (made.adminKeyPath !== undefined) {
    log.info({ path: made.adminKeyPath }, 'the admin key is stored in this file')
  }
  const { adminKeyPath } = made
  return { store, keyring: made.keyring, adminKeys: made.adminKeys, adminKeyPath }
}

/** Exits for errors that only other settings can fix. Waits for space on a full disk. */
function openAudit({ auditFile }: Config, stdout: LineOutput): LineOutput {
  try {
    return createAuditOutput({ path: auditFile, stdout, monotonic: () => performance.now() })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`VALETKEY_AUDIT_FILE: cannot be opened (${code ?? 'unknown'})`])
  }
}

function openTls({ tlsCertFile, tlsKeyFile, tlsClientCaFile }: Config, log: Logger) {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined
  try {
    return createServerTls(
      {
        certFile: tlsCertFile,
        keyFile: tlsKeyFile,
        ...(tlsClientCaFile !== undefined && { clientCaFile: tlsClientCaFile }),
      },
      { readFile, runtime: { sleep }, log },
    )
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ConfigError([`VALETKEY_TLS_CERT_FILE: cannot be used (${code ?? message})`])
  }
}

/** Loads tracing only if it is configured. */
async function openTracing(config: Config, version: string, log: Logger) {
  const { otlpEndpoint: endpoint } = config
  if (endpoint === undefined) return undefined
  const { startTracing } = await import('../tracing/tracing.ts')
  const headers = Object.entries(config.otlpHeaders).map(([name, one]) => [name, one.reveal()])
  return startTracing({
    collector: {
      endpoint,
      headers: Object.fromEntries(headers),
      timeoutMs: config.otlpTimeoutMs,
    },
    resource: { serviceName: config.serviceName, version, attributes: config.traceAttributes },
    sampler: config.traceSampler,
    ratio: config.traceRatio,
    store: config.redisUrl ? 'redis' : 'embedded',
    log,
  })
}

/** The state after a bug is unknown: logs the error and exits, so that the orchestrator starts a new process. */
function endOnBug(log: Logger): void {
  const end = (kind: string) => (error: unknown) => {
    log.fatal({ err: error, kind }, 'unexpected error; the process exits')
    log.flush(() => process.exit(EX_SOFTWARE))
  }
  process.on('unhandledRejection', end('unhandledRejection'))
  process.on('uncaughtException', end('uncaughtException'))
}

/** By default, Node opens a debugger port at this signal, which would expose all secrets. */
function ignoreDebugger(log: Logger): void {
  process.on('SIGUSR1', () => log.warn('SIGUSR1 is ignored: the debugger is disabled'))
}

function reloadOnSignal(app: App): void {
  process.on('SIGHUP', () => void app.reload())
}

function stopOnSignal(app: App, log: Logger): void {
  let stopping = false
  const stop = async (signal: NodeJS.Signals) => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping')
    const cutOff = setTimeout(() => {
      log.warn('the shutdown exceeded its time limit')
      log.flush(() => process.exit(0))
    }, STOP_MS)
    await app.stop()
    clearTimeout(cutOff)
    log.info('stopped')
    log.flush(() => process.exit(0))
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
}
