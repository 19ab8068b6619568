/** The thread of a PKCS#11 module: requests go there, and their answers come back. */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { HsmTrouble } from './hsm-faults.ts'
import type { TokenPlace } from './hsm-token.ts'

export interface HsmRequest {
  readonly id: number
  readonly place: TokenPlace
  /** Label of the key. */
  readonly key: string
  /** What to sign. Absent: asks for the public key. */
  readonly data?: Uint8Array
}

/** The parts of an RSA key are numbers in big-endian bytes. */
export type HsmResult =
  | { readonly signature: Uint8Array }
  | { readonly modulus: Uint8Array; readonly exponent: Uint8Array }

export interface HsmAnswer {
  readonly id: number
  readonly result?: HsmResult
  readonly trouble?: HsmTrouble
}

export type Hsm = ReturnType<typeof createHsm>

/** Beside this file, and of its kind: the bundle has a worker of its own. */
const WORKER = new URL(`./pkcs11-worker${extname(import.meta.url)}`, import.meta.url)

/** Two signers with the same module share it, because a process initializes a module once. */
export function createHsm(module: string) {
  const waiting = new Map<number, (answer: HsmAnswer) => void>()
  let worker: Worker | undefined
  let count = 0

  const ended = (of: Worker) => {
    if (worker === of) worker = undefined
    for (const [id, settle] of waiting) settle({ id, trouble: { fault: 'failed' } })
    waiting.clear()
  }

  const start = (): Worker => {
    const started = new Worker(WORKER, { workerData: { module } })
    // A signer does not keep the process alive.
    started.unref()
    started.on('message', (answer: HsmAnswer) => {
      waiting.get(answer.id)?.(answer)
      waiting.delete(answer.id)
    })
    started.on('error', () => ended(started))
    started.on('exit', () => ended(started))
    return started
  }

  return {
    /** Resolves with the trouble if there is any. */
    ask(request: Omit<HsmRequest, 'id'>, signal: AbortSignal): Promise<HsmAnswer> {
      count += 1
      const id = count
      return new Promise((resolve, reject) => {
        const give = () => {
          waiting.delete(id)
          reject(signal.reason)
        }
        waiting.set(id, (answer) => {
          signal.removeEventListener('abort', give)
          resolve(answer)
        })
        signal.addEventListener('abort', give, { once: true })
        worker ??= start()
        worker.postMessage({ ...request, id } satisfies HsmRequest)
      })
    },
    async stop(): Promise<void> {
      await worker?.terminate()
    },
  }
}
