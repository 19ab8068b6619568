/**
 * A service that asks Redis at each request, as most caches of tokens do. Fair to it: the caller's
 * JWT is remembered by its hash as in Valetkey, nothing is sealed, nobody is authorised, and nothing
 * is written down. `node redis-each.ts ANSWER REDIS_URL AUTHORIZATION`
 */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const [, , file = '', redisUrl = '', authorization = ''] = process.argv
const { body } = JSON.parse(readFileSync(file, 'utf8')) as { readonly body: string }

const redis = new Redis(redisUrl)
await redis.set('token:billing', body)
const known = new Set([hash('sha256', authorization, 'base64url')])

const server = Fastify()
server.get<{ Params: { integration: string } }>('/tokens/:integration', async (request, reply) => {
  const { authorization = '' } = request.headers
  if (!known.has(hash('sha256', authorization, 'base64url'))) return reply.code(401).send()
  const token = await redis.get(`token:${request.params.integration}`)
  return reply.header('content-type', 'application/json; charset=utf-8').send(token)
})
await server.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify(server.server.address()))
