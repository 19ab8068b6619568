/** Makes connections, directly or through a proxy, and knows at which hop each of them is. */
import { isIP, Socket } from 'node:net'
import { type buildConnector, Client } from 'undici'
import { within } from '../../runtime/timeout.ts'
import { atHop, type Hop, type HopError, TIMED_OUT } from './hop.ts'

/** A connection that is being made, and where it is now. */
export interface Attempt {
  hop: Pick<Hop, 'at' | 'step'>
}

/** Rejects with a {@link HopError}. */
export type Connect = (attempt: Attempt, target: buildConnector.Options) => Promise<Socket>

/** By a connector of undici's, to the host itself or to the proxy. */
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

export interface TunnelOptions {
  /** With a user name and password, where it wants them (RFC 7617). */
  readonly proxy: URL
  readonly toProxy: buildConnector.connector
  /** TLS, in the tunnel. */
  readonly toHost: buildConnector.connector
  /** Longest wait for the proxy's answer, in milliseconds. */
  readonly timeoutMs: number
  /** Ends what is being made. */
  readonly stopped: AbortSignal
}

/** Through a proxy, by CONNECT (RFC 9110, section 9.3.6). undici's own way does not say what the proxy answered, nor ends with the request that wants it. */
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
        // Its own name, and not the one that the request is for.
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
    // With the port in it, where that is not the usual one.
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
