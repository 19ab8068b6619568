/** HTTP as bytes, for what no client would send. */
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly reason: string
  /** In order; names in lower case. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  /** Of the first header with this name. */
  header(name: string): string | undefined
}

const DEADLINE_MS = 30_000

/** Sends the bytes on a connection of their own and reads one answer. `undefined`: the connection ended without one. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
  { isHead = false }: { readonly isHead?: boolean } = {},
): Promise<RawAnswer | undefined> {
  const connection = openRaw(port)
  connection.write(bytes)
  try {
    return await connection.answer({ isHead })
  } finally {
    connection.destroy()
  }
}

export interface RawConnection {
  write(bytes: string | Buffer): void
  /** Says that nothing more will come. */
  end(): void
  answer(options?: { readonly isHead?: boolean }): Promise<RawAnswer | undefined>
  /** Resolves when something was received. */
  begun(): Promise<void>
  /** Resolves with everything that was received when the other side has closed. */
  closed(): Promise<string>
  destroy(): void
}

export function openRaw(port: number): RawConnection {
  const socket: Socket = connect(port, '127.0.0.1')
  let received = ''
  let isClosed = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const look of waiting) look()
  }
  socket.setEncoding('latin1')
  socket.on('data', (text) => {
    received += text
    wake()
  })
  // A connection that is reset is one that is closed; whoever waits for an answer sees that there is none.
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
    wake()
  })

  const until = <Value>(look: () => Value | undefined) =>
    new Promise<Value | undefined>((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`no answer within ${DEADLINE_MS} ms: ${JSON.stringify(received)}`))
      }, DEADLINE_MS)
      const check = () => {
        const value = look()
        if (value === undefined && !isClosed) return
        clearTimeout(timer)
        waiting.delete(check)
        resolve(value)
      }
      waiting.add(check)
      check()
    })

  return {
    write: (bytes) => socket.write(bytes),
    end: () => socket.end(),
    async answer({ isHead = false } = {}) {
      const found = await until(() => parse(received, isHead))
      if (found) received = received.slice(found.length)
      return found?.answer
    },
    async begun() {
      await until(() => received !== '' || undefined)
    },
    async closed() {
      await until(() => undefined)
      return received
    },
    destroy: () => socket.destroy(),
  }
}

/** One answer with a length, and the number of its characters. Interim ones (1xx) are skipped. */
function parse(text: string, isHead: boolean): { answer: RawAnswer; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [line = '', ...rest] = text.slice(0, end).split('\r\n')
  const [, status = '', reason = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(line) ?? []
  const start = end + 4
  if (status.startsWith('1')) {
    const next = parse(text.slice(start), isHead)
    return next && { ...next, length: next.length + start }
  }
  const headers = rest.map((field) => {
    const colon = field.indexOf(':')
    return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const
  })
  const header = (name: string) => headers.find(([known]) => known === name)?.[1]
  const size = isHead ? 0 : Number(header('content-length') ?? 0)
  if (text.length < start + size) return undefined
  const body = Buffer.from(text.slice(start, start + size), 'latin1').toString()
  return { answer: { status: Number(status), reason, headers, body, header }, length: start + size }
}
