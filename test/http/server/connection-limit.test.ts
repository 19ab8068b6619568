import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createServer } from '../../../src/http/server/server.ts'
import { createLogger } from '../../../src/logger/logger.ts'
import { eventually } from '../../support/eventually.ts'

async function start(t: Test, connectionsPerAddress: number, trustProxy: readonly string[] = []) {
  const lines: string[] = []
  const server = createServer({
    logger: createLogger({ level: 'warn', destination: { write: (line) => lines.push(line) } }),
    trustProxy,
    limits: { connectionsPerAddress },
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const { port } = server.server.address() as { port: number }
  const open = async (localAddress: string) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    t.teardown(() => socket.destroy())
    // One that is refused may be reset.
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }
  const count = () =>
    new Promise<number>((resolve, reject) => {
      server.server.getConnections((error, found) => (error ? reject(error) : resolve(found)))
    })
  return { open, count, lines }
}

t.test('an address has reached its limit of connections, and others have theirs', async (t) => {
  const { open, count, lines } = await start(t, 3)
  const first = await open('127.0.0.1')
  for (let more = 0; more < 2; more += 1) await open('127.0.0.1')
  const refused = [await open('127.0.0.1'), await open('127.0.0.1')]
  await eventually(() => refused.every(({ destroyed }) => destroyed))
  await eventually(async () => (await count()) === 3)
  await open('127.0.0.2')
  await eventually(async () => (await count()) === 4)
  t.equal(lines.length, 1, 'it is said once')
  t.match(lines[0], /127\.0\.0\.1/)
  first.destroy()
  await eventually(async () => (await count()) === 3)
  await open('127.0.0.1')
  await eventually(async () => (await count()) === 4)
})

t.test('proxies that are trusted, and no bound, let all of them in', async (t) => {
  for (const [perAddress, proxies] of [
    [2, ['127.0.0.0/30']],
    [0, []],
  ] as const) {
    const { open, count, lines } = await start(t, perAddress, proxies)
    for (let more = 0; more < 10; more += 1) await open('127.0.0.1')
    await eventually(async () => (await count()) === 10)
    t.equal(lines.length, 0)
  }
})
