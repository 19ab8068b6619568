/** Writes log lines without blocking, with a memory limit, and counts dropped lines. */

import { createDescriptor } from '../audit/output/descriptor.ts'
import { createLineOutput } from '../audit/output/line-output.ts'
import { waitFor } from '../runtime/timeout.ts'

export interface LogOutput {
  write(line: string): void
  /** Calls back after everything is written, or after one second. */
  flush(done: () => void): void
  droppedLines(): number
}

/** Rejects if the text cannot be written. */
type Send = (text: string) => Promise<void>

interface LogOutputOptions {
  /** Default: stdout. */
  readonly send?: Send
  /** Most bytes in memory. Default: 1 MiB. */
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

/** Requires a file descriptor with no other writer. */
export function sendTo(fd: number): Send {
  const output = createLineOutput(createDescriptor(fd))
  return (text) => output.write(text)
}
