/** Where log lines go: never blocks, holds a bounded amount, counts what it must drop. */
import { fstatSync, write as writeFile } from 'node:fs'
import { Socket } from 'node:net'

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
const FULL_PAUSE_MS = 20

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
      const deadline = Promise.withResolvers<void>()
      const timer = setTimeout(deadline.resolve, FLUSH_MS)
      Promise.race([draining, deadline.promise]).then(() => {
        clearTimeout(timer)
        done()
      })
    },
    droppedLines: () => dropped,
  }
}

/**
 * To a file descriptor. A pipe is written as a socket: a write that blocks in the thread pool, for
 * its reader stands still, would take a thread, and keep the process from ending.
 */
export function sendTo(fd: number): Send {
  const kind = fstatSync(fd)
  if (!kind.isFIFO() && !kind.isSocket()) return (text) => writeAll(fd, Buffer.from(text))
  const socket = new Socket({ fd, readable: false, writable: true })
  // Each write that fails rejects by itself; without a listener the event would end the process.
  socket.on('error', () => undefined)
  return (text) =>
    new Promise((resolve, reject) => {
      socket.write(text, (error) => (error ? reject(error) : resolve()))
    })
}

async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  let rest = bytes
  while (rest.byteLength > 0) rest = rest.subarray(await writeSome(fd, rest))
}

function writeSome(fd: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    writeFile(fd, bytes, (error, written) => {
      if (error === null) resolve(written)
      else if (error.code === 'EAGAIN') setTimeout(resolve, FULL_PAUSE_MS, 0)
      else reject(error)
    })
  })
}
