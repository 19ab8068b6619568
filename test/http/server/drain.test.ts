import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createDrain } from '../../../src/http/server/drain.ts'
import { createServer, type Server } from '../../../src/http/server/server.ts'
import { eventually } from '../../support/eventually.ts'
import { openRaw } from '../../support/raw-http.ts'

const LONG_MS = 60_000
const LONG = { quietMs: LONG_MS, longestMs: LONG_MS, cutOffMs: LONG_MS }

async function start(t: Test, onCutOff?: (connections: number) => void) {
  const drain = createDrain(onCutOff)
  const server = createServer({ logger: pino({ level: 'silent' }), trustProxy: [], drain })
  server.get('/here', async () => ({ here: true }))
  const finish = { ...Promise.withResolvers<void>(), isAsked: false }
  server.get('/slow', async () => {
    finish.isAsked = true
    await finish.promise
    return {}
  })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ask = async (path: string, from: Agent = agent) => {
    const [answer] = (await once(get(`${url}${path}`, { agent: from }), 'response')) as [
      IncomingMessage,
    ]
    await once(answer.resume(), 'end')
    return answer
  }
  return { drain, server, port: Number(new URL(url).port), ask, finish }
}

const isPending = (work: Promise<void>) => Promise.race([work.then(() => false), sleep(50, true)])

t.test('connections are kept until then', async (t) => {
  const { drain, ask } = await start(t)
  t.equal(drain.isOn, false)
  t.equal((await ask('/here')).headers.connection, 'keep-alive')
})

t.test('then every answer is the last on its connection, problems too', async (t) => {
  const { drain, ask } = await start(t)
  await ask('/here')
  const ended = drain.run(LONG)
  t.equal(await isPending(ended), true, 'a kept connection is waited for')
  const answer = await ask('/nowhere')
  t.equal(answer.statusCode, 404)
  t.equal(answer.headers.connection, 'close')
  await ended
})

t.test('so is the answer that is waited for longer than connections are', async (t) => {
  const { drain, ask, finish } = await start(t)
  const asked = ask('/slow')
  await eventually(() => finish.isAsked)
  await drain.run({ ...LONG, quietMs: 1 })
  finish.resolve()
  t.equal((await asked).headers.connection, 'close')
})

t.test('who comes anew meanwhile is answered', async (t) => {
  const { drain, ask } = await start(t)
  await ask('/here')
  const ended = drain.run(LONG)
  const other = new Agent({ keepAlive: true })
  t.teardown(() => other.destroy())
  const answer = await ask('/here', other)
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers.connection, 'close')
  t.equal(await isPending(ended), true, 'the first connection is still kept')
  await ask('/here')
  await ended
})

t.test('connections that nobody uses are not waited for longer than told', async (t) => {
  const { drain, ask } = await start(t)
  await ask('/here')
  await drain.run({ ...LONG, quietMs: 1 })
  await drain.run({ ...LONG, longestMs: 1 })
})

t.test('as long as callers come back and leave, the others have more time', async (t) => {
  const { drain, ask } = await start(t)
  const agents = Array.from({ length: 4 }, () => new Agent({ keepAlive: true }))
  t.teardown(() => {
    for (const agent of agents) agent.destroy()
  })
  await Promise.all(agents.map((agent) => ask('/here', agent)))
  const startedAt = performance.now()
  const ended = drain.run({ ...LONG, quietMs: 1_000 })
  for (const agent of agents.slice(0, 3)) {
    await ask('/here', agent)
    await sleep(400)
  }
  await ended
  t.ok(performance.now() - startedAt >= 1_700, 'the last that left was two pauses after the first')
})

t.test('with no connection there is nothing to wait for', async (t) => {
  const { drain } = await start(t)
  await drain.run(LONG)
})

t.test('whoever says nothing, or half a request, cannot keep the server', async (t) => {
  let ended = 0
  const { drain, server, port } = await start(t, (connections) => {
    ended = connections
  })
  // Of a known media type: one that is refused is answered before its body.
  const body = 'Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{'
  const said = ['', 'GET /here HTTP/1.1\r\n', `POST /here HTTP/1.1\r\nHost: here\r\n${body}`]
  const connections = said.map((text) => {
    const connection = openRaw(port)
    t.teardown(() => connection.destroy())
    if (text !== '') connection.write(text)
    return connection
  })
  await eventually(async () => (await openConnections(server)) === said.length)
  await drain.run({ ...LONG, quietMs: 1, cutOffMs: 300 })
  await server.close()
  t.equal(ended, said.length)
  await Promise.all(connections.map((connection) => connection.closed()))
})

const openConnections = ({ server }: Server) =>
  new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })
