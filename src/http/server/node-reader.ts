/**
 * Who reads what comes on a connection of an HTTP server: Node by itself, or we, who give Node's reader
 * one bit after the other. Node has no way to read less than all that has come, which may be two
 * thousand requests.
 */
import type { Socket } from 'node:net'

/** What takes bytes and makes requests of them. */
export type Feed = (chunk: Buffer) => void

/** To be called before anything has come. Gives Node's reader; undefined where it is not there. */
export function takeOver(socket: Socket): Feed | undefined {
  const [feed] = socket.listeners('data')
  if (feed === undefined) return undefined
  const pausing = (['pause', 'resume'] as const).map(
    (event) => [event, socket.listeners(event)] as const,
  )
  socket.removeListener('data', feed as () => void)
  // With a listener for data, Node no longer stops reading where the socket is paused: it does with these.
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

/** Of Node's own: with a stream to consume, it hands its parser what comes without a detour through JavaScript. */
interface Parser {
  consume?(stream: unknown): void
  unconsume?(): void
  _consumed?: boolean
}

interface Parsed {
  /** An HTTP server stopped reading, for too much waits to be written; it goes on by itself. */
  readonly _paused?: boolean
  readonly parser?: Parser | null
  readonly _handle?: unknown
}

/** A tenth of a hit. Where Node no longer offers it, nothing changes but that. */
export function leaveToNode(socket: Socket): void {
  const { parser, _handle: stream } = socket as Parsed
  if (!parser?.consume || !parser.unconsume || parser._consumed !== false || !stream) return
  parser._consumed = true
  parser.consume(stream)
}

/** What has come already is still understood to its end. */
export function takeFromNode(socket: Socket): void {
  const { parser } = socket as Parsed
  if (!parser?.unconsume || parser._consumed !== true) return
  parser._consumed = false
  parser.unconsume()
}

export const isPausedByNode = (socket: Socket): boolean => (socket as Parsed)._paused === true
