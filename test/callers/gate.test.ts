import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { Credentials } from '../../src/callers/authentication/authenticator.ts'
import { createGate, requireCaller } from '../../src/callers/index.ts'
import { createServer } from '../../src/http/server/server.ts'
import { createLogger } from '../../src/logger/logger.ts'

/** Takes everybody for who they say they are. */
async function start(t: Test) {
  const seen: Credentials[] = []
  const gate = createGate({
    authenticators: [
      {
        authenticate(credentials) {
          seen.push(credentials)
          const name = credentials.bearer
          return name ? { id: name, kind: 'jwt', name, permits: [] } : undefined
        },
      },
    ],
    throttle: { failed: async (_address, error) => error },
    permissions: { stands: async () => true },
  })
  const logger = createLogger({ level: 'info', destination: { write: () => undefined } })
  const server = createServer({ logger, trustProxy: [] })
  requireCaller(server, gate)
  server.get('/', async ({ principal }) => principal.id)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(async () => {
    agent.destroy()
    await server.close()
  })
  const ask = (authorization: string | undefined) =>
    new Promise<string>((resolve, reject) => {
      const headers = authorization === undefined ? {} : { authorization }
      request(url, { agent, headers }, (response) => {
        text(response).then(resolve, reject)
      })
        .on('error', reject)
        .end()
    })
  return { seen, ask }
}

t.test('callers that share a connection are told apart, request by request', async (t) => {
  const { seen, ask } = await start(t)
  const asked = ['Bearer a', 'Bearer a', 'Bearer b', 'bearer  b', 'Bearer a', 'Basic a', undefined]
  const answers: string[] = []
  for (const authorization of asked) answers.push(await ask(authorization))
  t.same(answers.slice(0, 5), ['a', 'a', 'b', 'b', 'a'])
  for (const refused of answers.slice(5)) t.match(refused, /caller_unauthenticated/)
  t.equal(new Set(seen.map(({ socket }) => socket)).size, 1, 'they did share it')
})

t.test('the same header on the same connection is read once', async (t) => {
  const { seen, ask } = await start(t)
  for (let round = 0; round < 3; round += 1) await ask('Bearer a')
  await ask('Bearer b')
  t.equal(seen[0], seen[2])
  t.not(seen[2], seen[3])
})
