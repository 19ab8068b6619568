/** A TCP proxy between a broker and its Redis, for what a network does to connections. */
import { once } from 'node:events'
import { createServer, type Socket, connect as tcpConnect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * `pass`: as if it were not there. `stall`: connections are accepted and nothing moves, in either
 * direction; all that was sent arrives once it passes again. `cut`: the same, but what is sent is
 * lost and so are the connections: nobody is told, not even when it passes again. `reset`: every
 * connection, old or new, is reset.
 */
export type ProxyMode = 'pass' | 'stall' | 'cut' | 'reset'

/** `readers`: only connections that listen for changes (they send XREAD, or ask for the pulse); `commands`: only the others. */
export type ProxyScope = 'all' | 'readers' | 'commands'

/** What the server sends arrives so late, in order; in pieces of so many bytes, each so late after the other. */
export interface Slowness {
  /** Milliseconds from its arrival here, or from the piece before; drawn for each. */
  readonly delayMs: () => number
  /** Default: as they come. */
  readonly pieceBytes?: number
}

export interface FaultProxy {
  readonly url: string
  set(mode: ProxyMode, scope?: ProxyScope): void
  /** From now on, of every connection; undefined: no more. */
  slow(slowness: Slowness | undefined): void
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
  /** Until all that the server sent before has arrived. */
  late: Promise<void> | undefined
}

/** Of the connections that listen: one waits for changes, one asks for the pulse. The others try at their start whether they may `XREAD`, and do not wait. */
const LISTENS = /xread[^*]*block|hmget[^*]*due_marks/i

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let mode: ProxyMode = 'pass'
  let scope: ProxyScope = 'all'
  let trap: string | undefined
  let slowness: Slowness | undefined

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
    if (to === pair.server && LISTENS.test(chunk.toString('latin1'))) pair.isReader = true
    if (to === pair.server && trap !== undefined && chunk.includes(trap)) set('stall', 'commands')
    strike(pair)
    if (pair.isLost || to.destroyed) return
    if (isHit(pair) || pair.held.length > 0) pair.held.push({ to, chunk })
    else to.write(chunk)
  }

  /** In order, behind what is still on its way. */
  const trickle = (pair: Pair, chunk: Buffer) => {
    if (slowness === undefined && pair.late === undefined) return move(pair, pair.client, chunk)
    const before = pair.late
    const first = sleep(slowness?.delayMs() ?? 0)
    const send = async () => {
      await Promise.all([before, first])
      for (let at = 0; at < chunk.length; ) {
        if (at > 0 && slowness) await sleep(slowness.delayMs())
        if (pair.client.destroyed) return
        const end = at + (slowness?.pieceBytes ?? chunk.length)
        move(pair, pair.client, chunk.subarray(at, end))
        at = end
      }
    }
    const sent = send().finally(() => {
      if (pair.late === sent) pair.late = undefined
    })
    pair.late = sent
  }

  const listener = createServer((client) => {
    const server = tcpConnect(targetPort, '127.0.0.1')
    const pair: Pair = { isReader: false, isLost: false, client, server, held: [], late: undefined }
    pairs.add(pair)
    client.on('data', (chunk) => move(pair, server, chunk))
    server.on('data', (chunk) => trickle(pair, chunk))
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
    slow(next) {
      slowness = next
    },
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
