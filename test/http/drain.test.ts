import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createDrain } from '../../src/http/drain.ts'
import { createServer } from '../../src/http/server.ts'

const LONG_MS = 60_000

async function start(t: Test) {
  const drain = createDrain()
  const server = createServer({ logger: pino({ level: 'silent' }), trustProxy: [], drain })
  server.get('/here', async () => ({ here: true }))
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
  return { drain, ask }
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
  const ended = drain.run(LONG_MS)
  t.equal(await isPending(ended), true, 'a kept connection is waited for')
  const answer = await ask('/nowhere')
  t.equal(answer.statusCode, 404)
  t.equal(answer.headers.connection, 'close')
  await ended
})

t.test('who comes anew meanwhile is answered', async (t) => {
  const { drain, ask } = await start(t)
  await ask('/here')
  const ended = drain.run(LONG_MS)
  const other = new Agent({ keepAlive: true })
  t.teardown(() => other.destroy())
  const answer = await ask('/here', other)
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers.connection, 'close')
  t.equal(await isPending(ended), true, 'the first connection is still kept')
  await ask('/here')
  await ended
})

t.test('a connection that nobody uses is not waited for longer than told', async (t) => {
  const { drain, ask } = await start(t)
  await ask('/here')
  await drain.run(1)
})

t.test('with no connection there is nothing to wait for', async (t) => {
  const { drain } = await start(t)
  await drain.run(LONG_MS)
})
