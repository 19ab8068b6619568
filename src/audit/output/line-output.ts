/** Writes lines of several writers to one destination. One writer at a time, so that lines never mix. */

/** A destination of bytes. */
export interface Destination {
  /** Writes some of the bytes and returns their number. Waits while the reader does not read, until the signal. Rejects with the system's error. */
  put(bytes: Uint8Array, signal?: AbortSignal): Promise<number>
  /** Called before a text and after each failure. Undefined: the destination is unchanged. A new destination says how its content ends. */
  renew(): Promise<{ readonly endsMidLine: boolean } | undefined>
  close(): Promise<void>
}

export interface Persistence {
  /** Called after a failure. Resolves when another try may succeed, which resumes at the failed byte. Rejects to give up. */
  retry(error: unknown): Promise<void>
  /** Ends a wait for the reader with a failure. */
  readonly signal: AbortSignal
}

export interface LineOutput {
  /** Writes a text of complete lines in turn. Without `persistence`, gives up at the first failure. The next writer then ends the incomplete line. */
  write(text: string | Uint8Array, persistence?: Persistence): Promise<void>
  close(): Promise<void>
}

const NEWLINE = 10
const LINE_END = Buffer.from('\n')

export function createLineOutput(destination: Destination): LineOutput {
  let previous: Promise<void> = Promise.resolve()
  let midLine = false

  const put = async (bytes: Uint8Array, signal: AbortSignal | undefined) => {
    const written = await destination.put(bytes, signal)
    if (written > 0) midLine = bytes[written - 1] !== NEWLINE
    return written
  }

  const writeAll = async (text: string | Uint8Array, persistence: Persistence | undefined) => {
    const signal = persistence?.signal
    const bytes = typeof text === 'string' ? Buffer.from(text) : text
    let offset = 0
    let isFirst = true
    for (;;) {
      try {
        const other = await destination.renew()
        if (other) {
          midLine = other.endsMidLine
          isFirst = true
          offset = lineStart(bytes, offset)
        }
        if (isFirst && midLine) await put(LINE_END, signal)
        isFirst = false
        while (offset < bytes.length) offset += await put(bytes.subarray(offset), signal)
        return
      } catch (error) {
        if (!persistence) throw error
        await persistence.retry(error)
      }
    }
  }

  return {
    write(text, persistence) {
      const turn = previous.then(() => writeAll(text, persistence))
      previous = turn.catch(toldToTheWriter)
      return turn
    },
    close: () => destination.close(),
  }
}

/** Start of the line that contains the byte. */
const lineStart = (bytes: Uint8Array, offset: number) =>
  offset === 0 ? 0 : bytes.lastIndexOf(NEWLINE, offset - 1) + 1

/** The writer got the failure, so the next one starts without it. */
function toldToTheWriter(): void {
  return
}
