/** The process of a PKCS#11 module: requests go there, and their answers come back. A module that crashes or does not return ends only that process. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Log } from '../../runtime/runtime.ts'
import type { SigningAlgorithm } from '../remote-key.ts'
import type { HsmRefusal, HsmTrouble } from './hsm-faults.ts'
import type { TokenPlace } from './hsm-token.ts'

export interface HsmRequest {
  readonly id: number
  readonly place: TokenPlace
  /** Label of the key. */
  readonly key: string
  readonly algorithm: SigningAlgorithm
  /** What to sign. Absent: asks for the public key. */
  readonly data?: Uint8Array
}

/** The parts of an RSA key, and the coordinates of a point of P-256, are numbers in big-endian bytes. */
export type HsmPublicKey =
  | { readonly modulus: Uint8Array; readonly exponent: Uint8Array }
  | { readonly x: Uint8Array; readonly y: Uint8Array }

export type HsmResult = { readonly signature: Uint8Array } | HsmPublicKey

export interface HsmAnswer extends Partial<HsmRefusal> {
  readonly id: number
  readonly result?: HsmResult
}

export type Hsm = ReturnType<typeof createHsm>

interface HsmDependencies {
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  readonly log: Pick<Log, 'warn'>
}

/** Beside this file, and of its kind: the bundle has one of its own. */
const WORKER = fileURLToPath(new URL(`./pkcs11-worker${extname(import.meta.url)}`, import.meta.url))
/** Longer than any request waits, and than a start takes. A module that is silent for so long does not return. */
const SILENT_MS = 10_000
const NODE_ARGS = ['--disable-sigusr1', '--report-exclude-env', '--max-semi-space-size=1']

const running = new Set<ChildProcess>()
const endAll = () => {
  for (const one of running) one.kill('SIGKILL')
}

/** Two signers with the same module share it, because a process initializes a module once. */
export function createHsm(module: string, { monotonic, log }: HsmDependencies) {
  const waiting = new Map<number, (answer: HsmAnswer) => void>()
  /** By label of the token. They outlive the process that was told. */
  const refusedPins = new Map<string, string>()
  let child: ChildProcess | undefined
  let count = 0
  /** When the oldest request was sent since the last answer. Undefined: there is none. */
  let silentSince: number | undefined

  /** Whoever waits for an answer keeps this process alive, and a signer alone does not. */
  const hold = () => {
    const change = waiting.size > 0 ? 'ref' : 'unref'
    child?.[change]()
    child?.channel?.[change]()
  }

  const ended = (of: ChildProcess, code: string | undefined) => {
    if (child !== of) return
    child = undefined
    silentSince = undefined
    const trouble: HsmTrouble = { fault: 'ended', ...(code !== undefined && { code }) }
    for (const [id, settle] of waiting) settle({ id, trouble })
    waiting.clear()
  }

  const heard = (answer: HsmAnswer) => {
    silentSince = undefined
    const { id, refusedPin } = answer
    if (refusedPin) refusedPins.set(refusedPin.token, refusedPin.state)
    waiting.get(id)?.(answer)
    waiting.delete(id)
    hold()
  }

  const start = (): ChildProcess => {
    const started = fork(WORKER, [module], {
      ...{ execArgv: NODE_ARGS, serialization: 'advanced' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    if (running.size === 0) process.on('exit', endAll)
    running.add(started)
    started.on('message', heard)
    const gone = (code: string | undefined) => {
      running.delete(started)
      if (running.size === 0) process.off('exit', endAll)
      ended(started, code)
    }
    started.on('exit', (status, by) => gone(by ?? `status ${status}`))
    started.on('error', ({ code }: NodeJS.ErrnoException) => {
      // It could not be started. Otherwise its exit follows.
      if (started.pid === undefined) gone(code)
    })
    return started
  }

  /** A module that does not return keeps its process from any other work. */
  const endSilent = () => {
    if (!child || silentSince === undefined || monotonic() - silentSince < SILENT_MS) return
    log.warn({ module }, 'a PKCS#11 module did not return for 10 seconds: its process is ended')
    child.kill('SIGKILL')
    ended(child, 'SIGKILL')
  }

  return {
    /** Resolves with the trouble if there is any. */
    ask({ place, ...request }: Omit<HsmRequest, 'id'>, signal: AbortSignal): Promise<HsmAnswer> {
      endSilent()
      count += 1
      const id = count
      const refusedPin = refusedPins.get(place.token)
      const known = { ...place, ...(refusedPin !== undefined && { refusedPin }) }
      return new Promise((resolve, reject) => {
        const give = () => {
          waiting.delete(id)
          hold()
          reject(signal.reason)
        }
        waiting.set(id, (answer) => {
          signal.removeEventListener('abort', give)
          resolve(answer)
        })
        signal.addEventListener('abort', give, { once: true })
        child ??= start()
        hold()
        const asked = child
        silentSince ??= monotonic()
        asked.send({ ...request, id, place: known } satisfies HsmRequest, (error) => {
          if (!error) return
          asked.kill('SIGKILL')
          ended(asked, (error as NodeJS.ErrnoException).code)
        })
      })
    },
    async stop(): Promise<void> {
      if (!child) return
      const exited = once(child, 'exit')
      child.ref()
      child.kill('SIGKILL')
      await exited
    },
  }
}
