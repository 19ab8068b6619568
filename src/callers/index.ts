/** The guard: no route inside it answers without a principal. */
import type { FastifyRequest } from 'fastify'
import { BrokerError } from '../errors.ts'
import type { Server } from '../http/server.ts'
import type { Authenticator, Credentials } from './authenticator.ts'
import type { Principal } from './policy.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard, before anything else of the request is read. */
    principal: Principal
  }
}

const BEARER = /^Bearer +([\x21-\x7e]+)$/i

/** Guards every route of this server (or scope of it). Register it before the routes. */
export function requireCaller(server: Server, authenticators: readonly Authenticator[]): void {
  server.decorateRequest('principal')
  server.addHook('onRequest', async (request) => {
    const credentials = readCredentials(request)
    for (const authenticator of authenticators) {
      const found = authenticator.authenticate(credentials)
      const principal = found instanceof Promise ? await found : found
      if (principal) {
        request.principal = principal
        return
      }
    }
    throw new BrokerError(
      'caller_unauthenticated',
      credentials.bearer === undefined
        ? 'The request carries no bearer credential'
        : 'The bearer credential is not valid',
    )
  })
}

function readCredentials(request: FastifyRequest): Credentials {
  const { authorization } = request.headers
  if (authorization === undefined) return {}
  if (countAuthorization(request.raw.rawHeaders) > 1) {
    throw new BrokerError('request_invalid', 'headers: Authorization is there more than once')
  }
  const bearer = BEARER.exec(authorization)?.[1]
  return bearer === undefined ? {} : { bearer }
}

/** Node keeps the first of several; which one a proxy before us looked at is not known. */
function countAuthorization(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'authorization') count += 1
  }
  return count
}
