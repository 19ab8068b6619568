/** The process of `forward-proxy.ts`: told by messages what to be, answers each. */
import { connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { ForwardProxyOptions, Mood } from './forward-proxy.ts'

interface Message {
  readonly start?: ForwardProxyOptions
  readonly mood?: Mood
  readonly targets?: true
}

const targets: string[] = []
const waiting: (() => void)[] = []
let mood: Mood = 'well'

process.on('message', async (message: Message) => {
  if (message.mood !== undefined) {
    mood = message.mood
    for (const leadNow of waiting.splice(0)) leadNow()
  }
  if (message.start) process.send?.(await start(message.start))
  else process.send?.(message.targets ? targets : 'done')
})
process.on('disconnect', () => process.exit(0))

async function start(options: ForwardProxyOptions): Promise<number> {
  mood = options.mood
  const onConnection = (client: Socket) => {
    client.on('error', () => client.destroy())
    let head = ''
    const read = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return answerUnknown(client, head)
      client.off('data', read)
      answer(client, head, options)
    }
    client.on('data', read)
  }
  const server = options.tls
    ? createTlsServer(options.tls, onConnection)
    : createServer(onConnection)
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

/** As a proxy does that is spoken to in TLS and does not speak it. */
function answerUnknown(client: Socket, head: string) {
  if (!/^[A-Z]/.test(head)) client.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
}

function answer(client: Socket, head: string, { target, user }: ForwardProxyOptions) {
  const [line = ''] = head.split('\r\n')
  targets.push(line.split(' ')[1] ?? '')
  const status = (code: number, more = '') =>
    client.end(`HTTP/1.1 ${code} No\r\n${more}content-length: 3\r\n\r\nno\n`)
  switch (mood) {
    case 'silent':
      return
    case 'late':
      waiting.push(() => lead(client, target))
      return
    case 'closes':
      return client.end()
    case 'resets':
      return client.resetAndDestroy()
    case 'garbage':
      return client.write('SSH-2.0-OpenSSH_9.6\r\n\r\n')
    case 'hollow':
      return client.write('HTTP/1.1 200 OK\r\n\r\n')
    case 'denies_user': {
      const pair = Buffer.from(`${user?.name}:${user?.password}`).toString('base64')
      if (head.includes(`proxy-authorization: Basic ${pair}\r\n`)) return lead(client, target)
      return status(407, 'proxy-authenticate: Basic realm="proxy"\r\n')
    }
    case 'well':
      return lead(client, target)
    default:
      return status(mood)
  }
}

function lead(client: Socket, target: number) {
  const upstream = connect(target, '127.0.0.1', () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    upstream.pipe(client).pipe(upstream)
  })
  upstream.on('error', () => client.destroy())
  client.on('close', () => upstream.destroy())
}
