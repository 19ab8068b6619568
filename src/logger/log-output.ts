/** Where log lines go: never blocks, holds a bounded amount, counts what it must drop. */

import { createDescriptor } from '../audit/output/descriptor.ts'
import { createLineOutput } from '../audit/output/line-output.ts'
import { waitFor } from '../runtime/timeout.ts'

export interface LogOutput {
  write(line: string): void
  /** Calls back when all is written, or after a second: whoever wants to end must not wait for a stuck reader. */
  flush(done: () => void): void
  /** Lines that nobody will read. */
  droppedLines(): number
}

/** Writes all of a text; rejects when it cannot. */
export type Send = (text: string) => Promise<void>

export interface LogOutputOptions {
  /** Default: to stdout. */
  readonly send?: Send
  /** In memory at most, in bytes. Default 1 MiB. */
  readonly limitBytes?: number
}

const STDOUT = 1
const LIMIT_BYTES = 1024 * 1024
const FLUSH_MS = 1_000

export function createLogOutput({
  send = sendTo(STDOUT),
  limitBytes = LIMIT_BYTES,
}: LogOutputOptions = {}): LogOutput {
  let waiting: string[] = []
  let heldBytes = 0
  let dropped = 0
  let draining: Promise<void> | undefined

  const drain = async () => {
    while (waiting.length > 0) {
      const lines = waiting
      waiting = []
      const text = lines.join('')
      try {
        await send(text)
      } catch {
        dropped += lines.length
      }
      heldBytes -= Buffer.byteLength(text)
    }
    draining = undefined
  }

  return {
    write(line) {
      const bytes = Buffer.byteLength(line)
      if (heldBytes + bytes > limitBytes) {
        dropped++
        return
      }
      heldBytes += bytes
      waiting.push(line)
      draining ??= drain()
    },
    flush(done) {
      waitFor(draining ?? Promise.resolve(), { ms: FLUSH_MS, late: () => undefined }).then(done)
    },
    droppedLines: () => dropped,
  }
}

/** To a file descriptor that nobody else writes to. */
export function sendTo(fd: number): Send {
  const output = createLineOutput(createDescriptor(fd))
  return (text) => output.write(text)
}
