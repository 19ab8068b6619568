/**
 * Selects who reads a connection: Node, or this server, which passes parts to Node's parser. Node
 * always parses everything that has arrived, which can be two thousand requests.
 */
import type { Socket } from 'node:net'

/** Parses bytes to requests. */
export type Feed = (chunk: Buffer) => void

/** Must be called before any data arrives. Returns Node's parser, or undefined if it is not available. */
export function takeOver(socket: Socket): Feed | undefined {
  const [feed] = socket.listeners('data')
  if (feed === undefined) return undefined
  const pausing = (['pause', 'resume'] as const).map(
    (event) => [event, socket.listeners(event)] as const,
  )
  socket.removeListener('data', feed as () => void)
  // With a data listener, Node no longer stops reading when it pauses the socket. These calls do
  // that.
  socket.on('data', noop)
  socket.removeListener('data', noop)
  for (const [event, listeners] of pausing) {
    const kept = socket.listeners(event)
    for (const listener of listeners) {
      if (!kept.includes(listener)) socket.on(event, listener as () => void)
    }
  }
  return feed as Feed
}

const noop = () => undefined

/** Internals of Node: a parser that consumes a stream receives data without JavaScript. */
interface Parser {
  consume?(stream: unknown): void
  unconsume?(): void
  _consumed?: boolean
}

interface Parsed {
  /** The HTTP server paused reading because of its write buffer. It resumes by itself. */
  readonly _paused?: boolean
  readonly parser?: Parser | null
  readonly _handle?: unknown
}

/** Saves a tenth of a hit. Has no effect if Node does not offer these internals. */
export function leaveToNode(socket: Socket): void {
  const { parser, _handle: stream } = socket as Parsed
  if (!parser?.consume || !parser.unconsume || parser._consumed !== false || !stream) return
  parser._consumed = true
  parser.consume(stream)
}

/** Data that has already arrived is still parsed. */
export function takeFromNode(socket: Socket): void {
  const { parser } = socket as Parsed
  if (!parser?.unconsume || parser._consumed !== true) return
  parser._consumed = false
  parser.unconsume()
}

export const isPausedByNode = (socket: Socket): boolean => (socket as Parsed)._paused === true
