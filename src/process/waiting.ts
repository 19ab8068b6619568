/** Waits for the keyring, and says meanwhile why this replica is not ready. */
import type { Config } from '../config/config.ts'
import { BrokerError } from '../errors/errors.ts'
import { composeServer } from '../http/server/api-server.ts'
import { type Readiness, registerHealth } from '../http/server/health.ts'
import type { ServerTls } from '../http/server/tls.ts'
import type { Logger } from '../logger/logger.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { isOfSigner } from '../signers/signing-problem.ts'
import { listen } from './listening.ts'

interface WaitingDependencies {
  readonly config: Pick<Config, 'host' | 'port' | 'trustProxy' | 'connectionsPerAddress'>
  readonly tls: ServerTls | undefined
  readonly runtime: Pick<Runtime, 'sleep' | 'monotonic'>
  /** What the store says of its failure. Undefined: there is none. */
  readonly storeTrouble: () => string | undefined
  readonly log: Logger
}

const RETRY_MS = 2_000

/**
 * Repeats the work until it succeeds. Undefined: the process is to stop. Listens only if the first
 * try fails, so that a usual start waits for nothing. Errors that are no `BrokerError` are thrown.
 */
export async function waitForKeyring<Result>(
  work: () => Promise<Result>,
  dependencies: WaitingDependencies,
): Promise<Result | undefined> {
  const { runtime, log } = dependencies
  const what = 'the keyring cannot be opened: this replica waits'
  const outage = createOutageLogger(log, what, runtime)
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  const signals = ['SIGTERM', 'SIGINT'] as const
  // There is no file to read again yet, and the default of Node is to end the process.
  const ignore = () => log.info('SIGHUP is ignored while this replica waits')
  for (const signal of signals) process.on(signal, stop)
  process.on('SIGHUP', ignore)
  let waiting: Waiting | undefined
  try {
    while (!stopping.signal.aborted) {
      try {
        const result = await work()
        if (stopping.signal.aborted) break
        outage.over()
        return result
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error
        outage.report(error)
        if (waiting) waiting.error = error
        else waiting = await answerMeanwhile(error, dependencies)
      }
      await runtime.sleep(RETRY_MS, stopping.signal)
    }
    return undefined
  } finally {
    for (const signal of signals) process.off(signal, stop)
    process.off('SIGHUP', ignore)
    await waiting?.close()
  }
}

interface Waiting {
  /** Of the last try. */
  error: BrokerError
  close(): Promise<void>
}

async function answerMeanwhile(
  error: BrokerError,
  { config, tls, storeTrouble, log }: WaitingDependencies,
): Promise<Waiting> {
  const { host, port, trustProxy, connectionsPerAddress } = config
  const waiting: Waiting = { error, close: () => server.close() }
  const onProblem = () => answerFor(waiting.error)
  const limits = { connectionsPerAddress }
  const { server } = composeServer({ logger: log, trustProxy, limits, tls, onProblem }, log)
  registerHealth(server, () => readinessFor(waiting.error, storeTrouble()))
  await listen('VALETKEY_PORT', { host, port }, (address) => server.listen(address))
  return waiting
}

function readinessFor(error: BrokerError, storeTrouble: string | undefined): Readiness {
  const isOfStore = !isOfSigner(error) && storeTrouble !== undefined
  const started = isOfStore ? `waiting for the store: ${storeTrouble}` : 'waiting for the keyring'
  return {
    ready: false,
    checks: [
      { name: 'started', ok: false, detail: started },
      { name: 'keyring', ok: false, detail: `it cannot be opened yet: ${error.detail}` },
    ],
  }
}

/** For callers: nothing can be answered before there is a keyring. Another replica may have one. */
function answerFor(error: BrokerError): BrokerError {
  const { detail, remedy } = error
  return new BrokerError(
    isOfSigner(error) ? 'signer_unavailable' : 'store_unavailable',
    `This replica waits for its keyring: ${detail}`,
    { retryAfterMs: RETRY_MS, ...(remedy !== undefined && { remedy }), cause: error },
  )
}
