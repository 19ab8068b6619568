/** Where a command reads and writes: colours, width, progress, questions. */
import type { ReadStream, WriteStream } from 'node:tty'

export type Colour = 'bold' | 'dim' | 'green' | 'red' | 'yellow'

/** SGR (ECMA-48). */
const CODES: Readonly<Record<Colour, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  red: [31, 39],
  yellow: [33, 39],
}

const WIDTH = 100
const CLEAR_LINE = '\r\u001b[2K'

interface Streams {
  readonly stdin: NodeJS.ReadStream | ReadStream
  readonly stdout: NodeJS.WriteStream | WriteStream
  readonly stderr: NodeJS.WriteStream | WriteStream
}

export type Terminal = ReturnType<typeof createTerminal>

/** Removes control characters, because a terminal executes them. */
export const withoutControls = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')

/** `isPlain`: no colours, whatever the terminal can do. */
export function createTerminal({ stdin, stdout, stderr }: Streams, isPlain: boolean) {
  const isColourful = !isPlain && stdout.isTTY === true && stdout.hasColors()
  const isLive = stderr.isTTY === true
  let hasProgress = false

  const clear = () => {
    if (hasProgress) stderr.write(CLEAR_LINE)
    hasProgress = false
  }
  return {
    stdin,
    stdout,
    stderr,
    isColourful,
    /** Whether stdout is a terminal. */
    isTerminal: stdout.isTTY === true,
    /** Whether a person can be asked. */
    canAsk: stdin.isTTY === true && isLive,
    /** Columns. */
    width: stdout.isTTY === true ? stdout.columns || WIDTH : WIDTH,
    paint(colour: Colour, text: string): string {
      const [on, off] = CODES[colour]
      return isColourful ? `\u001b[${on}m${text}\u001b[${off}m` : text
    },
    /** Writes a line to stdout. */
    print(line: string): void {
      clear()
      stdout.write(`${line}\n`)
    },
    /** Writes a line for people to stderr. */
    note(line: string): void {
      clear()
      stderr.write(`valetkey: ${withoutControls(line)}\n`)
    },
    /** Replaces the last line of a terminal. Elsewhere it writes nothing. */
    progress(line: string): void {
      if (!isLive) return
      clear()
      stderr.write(withoutControls(line).slice(0, (stderr.columns || WIDTH) - 1))
      hasProgress = true
    },
    clear,
  }
}

/** Rejects with the reason of the signal when it is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const ends = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', ends)
      resolve()
    }, ms)
    signal.addEventListener('abort', ends, { once: true })
  })
}
