/** A server that speaks Redis's protocol and answers whatever the test says. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

export interface FakeRedis {
  readonly port: number
  readonly url: string
  /** Open connections. */
  readonly sockets: ReadonlySet<Socket>
  stop(): Promise<void>
}

/** Raw bytes; undefined hangs; `close` ends the connection. A promise is waited for, and what comes after it waits, too. */
export type Reply = string | undefined | 'close' | Promise<string>

export type Replying = (command: readonly string[], socket: Socket) => Reply

export const OK = '+OK\r\n'
export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
export const array = (...items: readonly string[]): string =>
  `*${items.length}\r\n${items.join('')}`

/** What a client asks before it is ready. */
export function handshake([name = '']: readonly string[]): string | undefined {
  switch (name.toLowerCase()) {
    case 'client':
    case 'auth':
    case 'select':
      return OK
    case 'info':
      return bulk('# Server\r\nredis_version:7.0.15\r\nloading:0\r\nrole:master\r\n')
    case 'quit':
      return OK
    default:
      return undefined
  }
}

export async function startFakeRedis(replying: Replying): Promise<FakeRedis> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let received = ''
    let busy: Promise<unknown> = Promise.resolve()
    socket.setEncoding('latin1')
    socket.on('data', (data: string) => {
      received += data
      for (;;) {
        const parsed = parseCommand(received)
        if (!parsed) return
        received = received.slice(parsed.length)
        const { command } = parsed
        busy = busy.then(async () => {
          const reply = await replying(command, socket)
          if (reply === 'close') socket.destroy()
          else if (reply !== undefined && !socket.destroyed) socket.write(reply, 'latin1')
        })
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    sockets,
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One command from the start of the text, if it is whole. */
function parseCommand(text: string) {
  const head = /^\*(\d+)\r\n/.exec(text)
  if (!head) return undefined
  const command: string[] = []
  let at = head[0].length
  for (let i = 0; i < Number(head[1]); i += 1) {
    const length = /^\$(\d+)\r\n/.exec(text.slice(at, at + 32))
    if (!length) return undefined
    const from = at + length[0].length
    const to = from + Number(length[1])
    if (text.length < to + 2) return undefined
    command.push(text.slice(from, to))
    at = to + 2
  }
  return { command, length: at }
}
