/**
 * A service that verifies the caller's JWT at each request with `@fastify/jwt`, as its users do it.
 * Fair to it: the key is there from the start, and the answer comes from memory.
 * `node verify-each.ts ANSWER PUBLIC_KEY_FILE`
 */
import { readFileSync } from 'node:fs'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'

const [, , file = '', keyFile = ''] = process.argv
const { body } = JSON.parse(readFileSync(file, 'utf8')) as { readonly body: string }

const server = Fastify()
await server.register(jwt, {
  secret: { public: readFileSync(keyFile, 'utf8') },
  verify: { algorithms: ['ES256'], allowedAud: 'valetkey' },
})
server.addHook('onRequest', (request) => request.jwtVerify())
server.get('/tokens/:integration', async (_request, reply) =>
  reply.header('content-type', 'application/json; charset=utf-8').send(body),
)
await server.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify(server.server.address()))
