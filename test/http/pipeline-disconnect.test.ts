/** A client that leaves in the midst of what it asked for costs nothing from then on. */
import { connect } from 'node:net'
import t from 'tap'
import { WAITING_ANSWERS } from '../../src/http/server/connection.ts'
import { createPipelines } from '../../src/http/server/pipeline.ts'
import { createServer } from '../../src/http/server/server.ts'
import { createLogger } from '../../src/logger/logger.ts'
import { eventually } from '../support/eventually.ts'

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

t.test('a caller that left before what it asked for could not be understood', async (t) => {
  const pipelines = createPipelines()
  const server = createServer({
    logger: createLogger({ level: 'silent' }),
    trustProxy: [],
    pipelines,
  })
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  let asked = 0
  server.addHook('onRequest', (request, _reply, done) => {
    pipelines.trust(request.raw.socket)
    done()
  })
  server.get('/first', async () => 'first')
  server.get('/slow', async () => {
    asked += 1
    await over
    return 'slow'
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  t.teardown(() => end())
  const { port } = server.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  // From the second one on, Node reads what a caller sends by itself.
  for (let time = 0; time < 2; time += 1) {
    socket.write(GET('/first'))
    await new Promise((resolve) => socket.once('data', resolve))
  }
  socket.write(`${GET('/slow').repeat(WAITING_ANSWERS * 4)}nothing that is HTTP\r\n\r\n`)
  await eventually(() => asked === WAITING_ANSWERS)
  socket.resetAndDestroy()
  await eventually(async () => (await connectionsOf(server.server)) === 0)

  const share = await busyShare(500)
  t.ok(share < 0.5, `the event loop is busy for ${Math.round(share * 100)} % of the time`)
  t.equal(asked, WAITING_ANSWERS)
})

const connectionsOf = (server: {
  getConnections(done: (e: Error | null, n: number) => void): void
}) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )

/** The share of this time in which the event loop has something to do. */
async function busyShare(ms: number): Promise<number> {
  const before = performance.eventLoopUtilization()
  await new Promise((resolve) => setTimeout(resolve, ms))
  return performance.eventLoopUtilization(before).utilization
}
