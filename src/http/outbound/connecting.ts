/** Opens connections, directly or through a proxy, and tracks the hop of each attempt. */
import { isIP, Socket } from 'node:net'
import { type buildConnector, Client } from 'undici'
import { within } from '../../runtime/timeout.ts'
import { atHop, type Hop, type HopError, TIMED_OUT } from './hop.ts'

/** A connection attempt and its current hop. */
export interface Attempt {
  hop: Pick<Hop, 'at' | 'step'>
}

/** Rejects with a {@link HopError}. */
export type Connect = (attempt: Attempt, target: buildConnector.Options) => Promise<Socket>

/** Uses a connector of undici, to the host or to the proxy. */
export function directly(connect: buildConnector.connector, at: Hop['at'] = 'host'): Connect {
  return async (attempt, target) => {
    const { hostname, httpSocket, protocol } = target
    const enter = (step: Hop['step']) => {
      attempt.hop = { at, step }
    }
    enter(httpSocket ? 'tls' : isIP(hostname) === 0 ? 'resolve' : 'connect')
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const made: unknown = connect(target, (error, socket) => {
      if (error === null) resolve(socket)
      else reject(atHop(attempt.hop, error))
    })
    if (made instanceof Socket && !httpSocket) {
      made.on('lookup', (error) => {
        if (!error) enter('connect')
      })
      if (protocol === 'https:') made.once('connect', () => enter('tls'))
    }
    return promise
  }
}

interface TunnelOptions {
  /** May include a user name and password (RFC 7617). */
  readonly proxy: URL
  readonly toProxy: buildConnector.connector
  /** TLS inside the tunnel. */
  readonly toHost: buildConnector.connector
  /** Longest wait for the answer of the proxy, in milliseconds. */
  readonly timeoutMs: number
  /** Aborts the attempt. */
  readonly stopped: AbortSignal
}

/**
 * Connects through a proxy by CONNECT (RFC 9110, section 9.3.6). undici's own implementation
 * neither reports the answer of the proxy nor stops with its request.
 */
export function throughTunnel(options: TunnelOptions): Connect {
  const { proxy, timeoutMs, stopped } = options
  const toProxy = directly(options.toProxy, 'proxy')
  const toHost = directly(options.toHost)
  const authorization = authorizationOf(proxy)

  const open = async (attempt: Attempt, authority: string): Promise<Socket> => {
    const late = () => {
      throw atHop({ ...attempt.hop, code: TIMED_OUT })
    }
    const client = new Client(proxy.origin, {
      connect(target, callback) {
        // The name of the proxy, not of the target.
        const servername = isIP(proxy.hostname) === 0 ? proxy.hostname : ''
        toProxy(attempt, { ...target, servername }).then(
          (socket) => {
            attempt.hop = TUNNEL
            callback(null, socket)
          },
          (error: HopError) => callback(error, null),
        )
      },
    })
    try {
      const headers = { host: authority, ...authorization }
      const ask = (signal: AbortSignal) => client.connect({ path: authority, headers, signal })
      const answer = await within(timeoutMs, ask, { signal: stopped, late })
      const { statusCode: status, socket } = answer
      if (status >= 200 && status < 300) return socket as Socket
      socket.on('error', () => undefined).destroy()
      throw atHop({ ...TUNNEL, status })
    } catch (error) {
      await client.destroy()
      throw atHop(attempt.hop, error)
    }
  }

  return async (attempt, target) => {
    const { hostname, host = hostname, port } = target
    // Includes the port of the proxy unless it is the default.
    const httpSocket = await open(attempt, port === '' ? `${host}:443` : host)
    try {
      return await toHost(attempt, { ...target, httpSocket })
    } catch (error) {
      httpSocket.destroy()
      throw error
    }
  }
}

const TUNNEL = { at: 'proxy', step: 'tunnel' } as const

function authorizationOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
