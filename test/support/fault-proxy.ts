/** A TCP proxy between a broker and its Redis, for what a network does to connections. */
import { once } from 'node:events'
import { createServer, type Socket, connect as tcpConnect } from 'node:net'

/**
 * `pass`: as if it were not there. `stall`: connections are accepted and nothing moves, in either
 * direction; all that was sent arrives once it passes again. `cut`: the same, but what is sent is
 * lost and so are the connections: nobody is told, not even when it passes again. `reset`: every
 * connection, old or new, is reset.
 */
export type ProxyMode = 'pass' | 'stall' | 'cut' | 'reset'

/** `readers`: only connections that listen for changes (they send XREAD); `commands`: only the others. */
export type ProxyScope = 'all' | 'readers' | 'commands'

export interface FaultProxy {
  readonly url: string
  set(mode: ProxyMode, scope?: ProxyScope): void
  /** Stalls the commands from the first one on that is sent with this text in it. */
  stallAt(text: string): void
  /** How many connections are open towards this proxy. */
  connections(): number
  /** Whether a text waits in a stalled connection. */
  holds(text: string): boolean
  close(): Promise<void>
}

interface Pair {
  isReader: boolean
  isLost: boolean
  readonly client: Socket
  readonly server: Socket
  readonly held: { readonly to: Socket; readonly chunk: Buffer }[]
}

/** Of the connection that listens; the others try at their start whether they may `XREAD`, and do not wait. */
const WAITING_READ = /xread[^*]*block/i

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let mode: ProxyMode = 'pass'
  let scope: ProxyScope = 'all'
  let trap: string | undefined

  const isHit = ({ isReader }: Pair) =>
    mode !== 'pass' && (scope === 'all' || isReader === (scope === 'readers'))

  const end = (pair: Pair) => {
    pairs.delete(pair)
    pair.client.destroy()
    pair.server.destroy()
  }

  const strike = (pair: Pair) => {
    if (!isHit(pair)) return
    if (mode === 'cut') pair.isLost = true
    if (mode === 'reset') {
      pair.client.resetAndDestroy()
      end(pair)
    }
  }

  const move = (pair: Pair, to: Socket, chunk: Buffer) => {
    if (to === pair.server && WAITING_READ.test(chunk.toString('latin1'))) pair.isReader = true
    if (to === pair.server && trap !== undefined && chunk.includes(trap)) set('stall', 'commands')
    strike(pair)
    if (pair.isLost || to.destroyed) return
    if (isHit(pair) || pair.held.length > 0) pair.held.push({ to, chunk })
    else to.write(chunk)
  }

  const listener = createServer((client) => {
    const server = tcpConnect(targetPort, '127.0.0.1')
    const pair: Pair = { isReader: false, isLost: false, client, server, held: [] }
    pairs.add(pair)
    client.on('data', (chunk) => move(pair, server, chunk))
    server.on('data', (chunk) => move(pair, client, chunk))
    // The other side does not learn of an end while nothing moves; a write under way still arrives.
    client.on('close', () => {
      if (!isHit(pair) || pair.isLost) end(pair)
    })
    server.on('close', () => {
      if (!isHit(pair) && !pair.isLost) end(pair)
    })
    client.on('error', () => undefined)
    server.on('error', () => undefined)
    strike(pair)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as { port: number }

  const flush = (pair: Pair) => {
    for (const { to, chunk } of pair.held.splice(0)) if (!to.destroyed) to.write(chunk)
    if (pair.client.destroyed) pair.server.end()
  }

  function set(next: ProxyMode, of: ProxyScope = 'all') {
    mode = next
    scope = of
    trap = undefined
    for (const pair of pairs) {
      strike(pair)
      if (!isHit(pair) && !pair.isLost) flush(pair)
    }
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    set,
    stallAt(text) {
      trap = text
    },
    connections: () => pairs.size,
    holds: (text) => [...pairs].some(({ held }) => held.some(({ chunk }) => chunk.includes(text))),
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      for (const pair of pairs) end(pair)
      await closed
    },
  }
}
