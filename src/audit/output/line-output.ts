/** Lines of several writers to one place: one writer at a time, so that two lines never mix. */

/** Somewhere that takes bytes. */
export interface Destination {
  /** Writes some of the bytes, and says how many. Waits while the reader stands still, until the signal. Rejects with the system's error. */
  put(bytes: Uint8Array, signal?: AbortSignal): Promise<number>
  /** Before a text is begun, and after each failure: whether it is still the same place. Another one says how it ends. */
  renew(): Promise<{ readonly endsMidLine: boolean } | undefined>
  close(): Promise<void>
}

export interface Persistence {
  /** Called after a failure. Resolves when another try makes sense, which goes on at the very byte; rejects to give up. */
  retry(error: unknown): Promise<void>
  /** Ends a wait for the reader; that is a failure, too. */
  readonly signal: AbortSignal
}

export interface LineOutput {
  /** Writes a text of whole lines in its turn. Gives up at the first failure, unless told to persist; whoever comes next then ends the unfinished line first. */
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

/** Where the line begins that the byte is in. */
const lineStart = (bytes: Uint8Array, offset: number) =>
  offset === 0 ? 0 : bytes.lastIndexOf(NEWLINE, offset - 1) + 1

/** The writer whose turn it was got the failure; the next one starts afresh. */
function toldToTheWriter(): void {
  return
}
