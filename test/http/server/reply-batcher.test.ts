import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createReplyBatcher } from '../../../src/http/server/reply-batcher.ts'
import { createServer, type Server } from '../../../src/http/server/server.ts'
import { createLogger } from '../../../src/logger/logger.ts'
import { eventually } from '../../support/eventually.ts'

type Watch = (server: Server, happened: string[]) => void

async function start(t: Test, watch: Watch = () => undefined) {
  const lines: string[] = []
  const logger = createLogger({
    level: 'info',
    destination: { write: (line) => lines.push(line) },
  })
  const server = createServer({ logger, trustProxy: [] })
  const replyBatcher = createReplyBatcher()
  const happened: string[] = []
  server.get<{ Params: { name: string } }>('/:name', (request, reply) => {
    const { name } = request.params
    happened.push(`understood ${name}`)
    // Node refuses to write such a header.
    if (name === 'spoilt') reply.header('x-spoilt', 'a\nb')
    replyBatcher.send(reply, `"${name}"`)
  })
  watch(server, happened)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  return { port: Number(new URL(url).port), happened, lines }
}

/** Requests that come in one piece are understood in one turn. */
async function ask(port: number, ...names: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const requests = names.map((name, index) => {
    const isLast = index === names.length - 1
    return `GET /${name} HTTP/1.1\r\nHost: a\r\n${isLast ? 'Connection: close\r\n' : ''}\r\n`
  })
  socket.write(requests.join(''))
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await once(socket, 'close')
  return text
}

t.test('a turn understands all its requests, and then sends all its answers', async (t) => {
  const { port, happened } = await start(t, (server, happened) => {
    server.addHook('onSend', (request, _reply, payload, done) => {
      happened.push(`sent ${(request.params as { name: string }).name}`)
      done(null, payload)
    })
  })
  const text = await ask(port, 'a', 'b', 'c')
  t.same(happened, [
    ...['understood a', 'understood b', 'understood c'],
    ...['sent a', 'sent b', 'sent c'],
  ])
  t.match(text, /"a".*"b".*"c"/s)
})

t.test('an answer that cannot be sent ends its connection, and no other', async (t) => {
  const { port, lines } = await start(t)
  const [bad, good] = await Promise.all([ask(port, 'spoilt'), ask(port, 'good')])
  t.equal(bad, '')
  t.match(good, /"good"/)
  await eventually(() => lines.some((line) => line.includes('an answer could not be sent')))
})
