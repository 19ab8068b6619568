/**
 * What each connection asked for and was not yet given. HTTP lets a client send requests without
 * waiting for answers (RFC 9112, section 9.3.2), and nobody has to read what they asked for. So
 * requests are understood one by one, no more of them than answers may wait, and the rest of what was
 * sent stays where it is until some of the answers are gone.
 */
import type { RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import {
  type ClientConnection,
  clientConnectionOf,
  isFinished,
  isQuiet,
  mayAsk,
  nextPart,
  pendingOf,
} from './connection.ts'
import { isPausedByNode, leaveToNode, takeFromNode } from './node-reader.ts'

export interface Pipelines {
  /** The listener for requests that a server is made with, in front of another one. */
  before(next: RequestListener): RequestListener
  /** Before the server listens. `event`: what brings it connections. */
  attach(server: Server, event: 'connection' | 'secureConnection'): void
  /**
   * What comes on this connection cannot be understood, and nothing behind it is looked at. The
   * answers to what came before leave in order, then this text, and then the connection ends.
   */
  fail(socket: Socket, text?: string): void
  /** The answer to this request says that it is the last one: no request behind it is looked at. */
  endAfter(socket: Socket): void
  /** A caller proved itself on this connection: while it asks for one thing after the other, Node reads it by itself, which is quicker. */
  trust(socket: Socket): void
}

export interface PipelineLimits {
  /** How long a client may leave answers unread, in milliseconds. Default 15000. */
  readonly unreadMs: number
  /** How long answers that are on their way keep a connection that is to end. Default 20000. */
  readonly lastAnswersMs: number
  /** How often connections are looked at. Default 1000. */
  readonly checkMs: number
}

export const PIPELINE_LIMITS: PipelineLimits = {
  unreadMs: 15_000,
  lastAnswersMs: 20_000,
  checkMs: 1_000,
}

/** Pipelined requests that are understood in one turn of the event loop, of all connections: those who wait for an answer before they ask again come first. */
const EACH_TURN = 16
/** What still comes behind the last answer is dropped for so long: a connection that is closed at once is reset before the client has read that answer (RFC 9112, section 9.6). */
const LINGER_MS = 2_000

export function createPipelines(limits: PipelineLimits = PIPELINE_LIMITS): Pipelines {
  const { unreadMs, lastAnswersMs, checkMs } = limits
  const connections = new WeakMap<Socket, ClientConnection>()
  /** Those with something to understand, in turns. */
  const queue = new Set<ClientConnection>()
  let isTurning = false
  let left = EACH_TURN

  const enqueue = (connection: ClientConnection) => {
    queue.add(connection)
    if (isTurning) return
    isTurning = true
    setImmediate(turn)
  }

  /** As far as this turn allows. */
  const goOn = () => {
    for (const connection of queue) {
      if (left === 0) return
      left -= 1
      queue.delete(connection)
      understand(connection)
    }
  }

  const turn = () => {
    left = EACH_TURN
    goOn()
    isTurning = queue.size > 0
    if (isTurning) setImmediate(turn)
  }

  const hold = (connection: ClientConnection) => {
    if (connection.isHeld) return
    connection.isHeld = true
    connection.socket.pause()
  }

  const release = (connection: ClientConnection) => {
    if (!connection.isHeld) return
    connection.isHeld = false
    if (!isPausedByNode(connection.socket)) connection.socket.resume()
  }

  const followOldest = (connection: ClientConnection) => {
    const [oldest] = connection.waiting
    if (oldest === undefined || connection.followed === oldest) return
    connection.followed = oldest
    oldest.once('close', () => enqueue(connection))
  }

  /** One request, or a part of one. */
  const understand = (connection: ClientConnection) => {
    const { socket, feed, strays } = connection
    if (socket.destroyed) return
    // Node stops reading by itself, too, and goes on by itself.
    if (isPausedByNode(socket) && strays.length === 0) return
    if (connection.isLast) strays.length = 0
    if (isFinished(connection)) connection.rest = undefined
    if (!mayAsk(connection)) {
      hold(connection)
      followOldest(connection)
      return
    }
    const stray = strays.shift()
    if (stray) {
      stray()
      enqueue(connection)
      return
    }
    if (isFailed(connection)) return
    if (connection.rest !== undefined) feed(nextPart(connection))
    // What was given may be what nobody can understand.
    if (isFailed(connection)) return
    if (connection.rest !== undefined) {
      hold(connection)
      enqueue(connection)
      return
    }
    release(connection)
    if (connection.isTrusted && !connection.isPiled) leaveToNode(socket)
  }

  const receive = (connection: ClientConnection, chunk: Buffer) => {
    if (connection.isFailed) return
    const { rest } = connection
    const isNext = rest === undefined && isQuiet(connection)
    connection.rest = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    if (isNext) understand(connection)
    else {
      hold(connection)
      enqueue(connection)
    }
    goOn()
  }

  const settle = (connection: ClientConnection, text: string | undefined) => {
    const { socket, strays } = connection
    // Nobody is there any more to be answered: what was understood by Node alone is never looked at.
    if (socket.destroyed) return
    const last = pendingOf(connection).at(-1)
    if (last !== undefined) last.once('close', () => settle(connection, text))
    else if (strays.length > 0) setImmediate(settle, connection, text)
    else end(socket, text)
  }

  const watch = (server: Server, open: ReadonlySet<Socket>) => {
    for (const socket of open) {
      const isUnread = socket.writableLength > 0
      if (isUnread && socket.timeout !== unreadMs) socket.setTimeout(unreadMs)
      if (!isUnread && socket.timeout === unreadMs) socket.setTimeout(server.timeout)
    }
  }

  return {
    before: (listener) => (request, response) => {
      const connection = connections.get(request.socket)
      if (!connection) return listener(request, response)
      if (connection.isLast || connection.isFailed) return
      const { waiting, strays } = connection
      if (waiting.at(-1)?.writableFinished) waiting.length = 0
      if (waiting.length > 0) {
        pile(connection)
        if (strays.length > 0 || !mayAsk(connection)) {
          strays.push(() => {
            waiting.push(response)
            listener(request, response)
          })
          enqueue(connection)
          return
        }
      }
      waiting.push(response)
      listener(request, response)
    },
    attach(server, event) {
      const open = new Set<Socket>()
      server.on(event, (socket: Socket) => {
        open.add(socket)
        socket.once('close', () => open.delete(socket))
        const connection = clientConnectionOf(socket)
        if (!connection) return
        connections.set(socket, connection)
        socket.on('data', (chunk: Buffer) => receive(connection, chunk))
        // Where Node goes on, it does not know that we hold.
        socket.on('resume', () => {
          if (connection.isHeld) socket.pause()
          if (connection.rest !== undefined) enqueue(connection)
        })
      })
      let timer: NodeJS.Timeout | undefined
      server.on('listening', () => {
        timer = setInterval(watch, checkMs, server, open).unref()
      })
      server.on('close', () => clearInterval(timer))
    },
    fail(socket, text) {
      const connection = connections.get(socket)
      if (!connection) return end(socket, text)
      if (connection.isFailed) return
      connection.isFailed = true
      connection.rest = undefined
      socket.pause()
      // The answer to a request that came in part is that it could not be understood, unless it has another one.
      const last = connection.waiting.at(-1)
      const isAnswered = last?.headersSent === true && !last.req.complete
      settle(connection, isAnswered ? undefined : text)
      setTimeout(() => socket.destroy(), lastAnswersMs).unref()
    },
    endAfter(socket) {
      const connection = connections.get(socket)
      if (connection) connection.isLast = true
    },
    trust(socket) {
      const connection = connections.get(socket)
      if (connection) connection.isTrusted = true
    },
  }
}

const isFailed = (connection: ClientConnection): boolean => connection.isFailed

/** From now on what it sends is understood bit by bit. */
function pile(connection: ClientConnection): void {
  if (connection.isPiled) return
  connection.isPiled = true
  takeFromNode(connection.socket)
}

function end(socket: Socket, text: string | undefined): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  if (text === undefined) socket.end()
  else socket.end(text)
  socket.resume()
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}
