/** The guard: authenticates each request to its routes. */
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { BrokerError } from '../errors/errors.ts'
import { countHeader } from '../http/server/raw-headers.ts'
import type { Server } from '../http/server/server.ts'
import {
  type Authenticator,
  type Credentials,
  refusedBearer,
} from './authentication/authenticator.ts'
import type { Throttle } from './authentication/throttle.ts'
import type { PermissionResolver } from './permission-resolver.ts'
import type { Principal } from './policy.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard before it reads the rest of the request. */
    principal: Principal
  }
}

export interface Gate {
  /** Authenticates a request. Rejects with `request_invalid`, `caller_unauthenticated` or `rate_limited`. A remembered caller comes without a promise. `standIn`: a header, in lower case, that has the credential if `Authorization` has no bearer credential. Default: none. */
  identify(request: FastifyRequest, standIn?: string): Principal | Promise<Principal>
  /** The same for a credential in another part of the request. */
  identifyBearer(request: FastifyRequest, bearer: string): Principal | Promise<Principal>
  /** Authenticates the request again, by the store instead of memory. For changes. Rejects as `identify` does. */
  readonly confirm: Confirm
}

/** Called again at the moment of a change, because a request may be pending for long and its credential may be revoked meanwhile. */
export type Confirm = (request: Asking) => Promise<Principal>

/** A request, for code that only needs its principal. */
export type Asking = FastifyRequest

/** Methods that only read. */
export const READING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

interface GateDependencies {
  /** Asked in this order. The first one that recognises the credential decides. */
  readonly authenticators: readonly Authenticator[]
  readonly throttle: Pick<Throttle, 'failed'>
  readonly permissions: Pick<PermissionResolver, 'stands'>
}

const BEARER = /^Bearer +([\x21-\x7e]+)$/i

export function createGate({ authenticators, throttle, permissions }: GateDependencies): Gate {
  const readCredentials = createCredentialsReader()
  const ask = async (credentials: Credentials, request: FastifyRequest, first: number) => {
    for (const authenticator of authenticators.slice(first)) {
      const principal = await authenticator.authenticate(credentials, request)
      if (principal) return principal
    }
    return undefined
  }

  const find = (credentials: Credentials, request: FastifyRequest) => {
    let asked = 0
    for (const authenticator of authenticators) {
      asked += 1
      const found = authenticator.authenticate(credentials, request)
      if (found instanceof Promise) {
        const next = asked
        return found.then((principal) => principal ?? ask(credentials, request, next))
      }
      if (found) return found
    }
    return undefined
  }

  const identifyBy = (request: FastifyRequest, credentials: Credentials) => {
    const refuse = async (error: unknown): Promise<never> => {
      if (!(error instanceof BrokerError) || error.code !== 'caller_unauthenticated') throw error
      throw await throttle.failed(request.ip, error)
    }
    try {
      const found = find(credentials, request)
      if (found instanceof Promise) {
        return found
          .then((principal) => principal ?? Promise.reject(unknown(credentials)))
          .catch(refuse)
      }
      return found ?? refuse(unknown(credentials))
    } catch (error) {
      return refuse(error)
    }
  }

  const identify: Gate['identify'] = (request, standIn) => {
    const { rawHeaders } = request.raw
    const isTwice =
      countHeader(rawHeaders, 'authorization') > 1 ||
      (standIn !== undefined && countHeader(rawHeaders, standIn) > 1)
    if (isTwice) return Promise.reject(twice(standIn))
    return identifyBy(request, readCredentials(request, standIn))
  }

  return {
    identify,
    identifyBearer: (request, bearer) => identifyBy(request, { bearer }),
    async confirm(request) {
      const principal = await identify(request)
      if (!(await permissions.stands(principal))) throw refusedBearer('KEY_UNKNOWN')
      return principal
    },
  }
}

/** Guards all routes of this server or scope. Call it before routes are registered. `onCaller` gets the connection of each authenticated caller. */
export function requireCaller(
  server: Server,
  gate: Gate,
  onCaller?: (connection: Socket) => void,
): void {
  requireReader(server, gate, onCaller)
  // The body may have taken long to arrive, so the credential is checked again.
  server.addHook('preHandler', (request, _reply, done) => {
    if (READING.includes(request.method)) {
      done()
      return
    }
    gate.confirm(request).then((principal) => {
      request.principal = principal
      done()
    }, done)
  })
}

/** The same for a scope whose routes change nothing, whatever their method is. `standIn` is that of {@link Gate.identify}. */
export function requireReader(
  server: Server,
  gate: Pick<Gate, 'identify'>,
  onCaller: (connection: Socket) => void = () => undefined,
  standIn?: string,
): void {
  server.decorateRequest('principal')
  server.addHook('onRequest', (request, _reply, done) => {
    const found = gate.identify(request, standIn)
    if (!(found instanceof Promise)) {
      request.principal = found
      onCaller(request.raw.socket)
      done()
      return
    }
    found.then((principal) => {
      request.principal = principal
      onCaller(request.raw.socket)
      done()
    }, done)
  })
}

/** A gate that also tells the connection of each caller whose credential is in another part of the request. */
export function tellingGate(gate: Gate, onCaller: (connection: Socket) => void): Gate {
  return {
    ...gate,
    identifyBearer(request, bearer) {
      const found = gate.identifyBearer(request, bearer)
      if (!(found instanceof Promise)) {
        onCaller(request.raw.socket)
        return found
      }
      return found.then((principal) => {
        onCaller(request.raw.socket)
        return principal
      })
    },
  }
}

const twice = (standIn: string | undefined) =>
  new BrokerError(
    'request_invalid',
    `headers: Authorization${standIn === undefined ? '' : ` or ${standIn}`} is present more than once`,
  )

const unknown = ({ bearer }: Credentials) =>
  new BrokerError(
    'caller_unauthenticated',
    bearer === undefined
      ? 'The request has no bearer credential'
      : 'The bearer credential is not valid',
  )

/** The last credential of a connection. */
interface Sent {
  readonly authorization: string
  readonly credentials: Credentials
}

/** Most connections send the same header each time. Then this returns the same object as before. Memory holds the text of the credential as long as the connection. */
function createCredentialsReader(): (request: FastifyRequest, standIn?: string) => Credentials {
  const lastOf = new WeakMap<Socket, Sent>()
  return (request, standIn) => {
    const authorization = authorizationOf(request.headers, standIn)
    const { socket } = request.raw
    if (authorization === undefined) return { socket }
    const last = lastOf.get(socket)
    if (last?.authorization === authorization) return last.credentials
    const bearer = BEARER.exec(authorization)?.[1]
    const credentials = bearer === undefined ? { socket } : { bearer, socket }
    lastOf.set(socket, { authorization, credentials })
    return credentials
  }
}

/** A stand-in counts only where the header of the standard has no bearer credential. */
function authorizationOf(
  headers: FastifyRequest['headers'],
  standIn: string | undefined,
): string | undefined {
  const { authorization } = headers
  const other = standIn === undefined ? undefined : headers[standIn]
  if (typeof other !== 'string') return authorization
  return authorization !== undefined && BEARER.test(authorization) ? authorization : other
}
