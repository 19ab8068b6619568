/**
 * Limits pipelined requests. HTTP lets a client send requests without waiting for answers (RFC
 * 9112, section 9.3.2). This module parses them one by one, up to the limit of pending answers, and
 * keeps the remaining bytes until some answers are sent.
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

export type Pipelines = ReturnType<typeof createPipelines>

export interface PipelineLimits {
  /** How long a client may leave answers unread, in milliseconds. Default: 15000. */
  readonly unreadMs: number
  /** How long pending answers keep a connection that must close, in milliseconds. Default: 20000. */
  readonly lastAnswersMs: number
  /** Interval of the checks, in milliseconds. Default: 1000. */
  readonly checkMs: number
}

export const PIPELINE_LIMITS: PipelineLimits = {
  unreadMs: 15_000,
  lastAnswersMs: 20_000,
  checkMs: 1_000,
}

/** Pipelined requests that are parsed per iteration of the event loop, for all connections. Clients that do not pipeline go first. */
const EACH_TURN = 16
/** How long data after the last answer is discarded. An immediate close would reset the connection before the client has read the answer (RFC 9112, section 9.6). */
const LINGER_MS = 2_000

export function createPipelines(limits: PipelineLimits = PIPELINE_LIMITS) {
  const { unreadMs, lastAnswersMs, checkMs } = limits
  const connections = new WeakMap<Socket, ClientConnection>()
  /** Connections with unparsed data, in round-robin order. */
  const queue = new Set<ClientConnection>()
  let isTurning = false
  let left = EACH_TURN

  const enqueue = (connection: ClientConnection) => {
    queue.add(connection)
    if (isTurning) return
    isTurning = true
    setImmediate(turn)
  }

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

  /** Parses one request or a part of one. */
  const understand = (connection: ClientConnection) => {
    const { socket, feed, strays } = connection
    if (socket.destroyed) return
    // Node also pauses and resumes by itself.
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
    // The data may have been invalid.
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
    // The connection is closed: its remaining requests are dropped.
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
    /** Wraps the request listener of a server. */
    before:
      (listener: RequestListener): RequestListener =>
      (request, response) => {
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
    /** Must be called before the server listens. `event` is the event that delivers connections. */
    attach(server: Server, event: 'connection' | 'secureConnection'): void {
      const open = new Set<Socket>()
      server.on(event, (socket: Socket) => {
        open.add(socket)
        socket.once('close', () => open.delete(socket))
        const connection = clientConnectionOf(socket)
        if (!connection) return
        connections.set(socket, connection)
        socket.on('data', (chunk: Buffer) => receive(connection, chunk))
        // Node resumes a socket that this module holds.
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
    /** The connection sent invalid data. Sends the pending answers, then this text, and then closes the connection. */
    fail(socket: Socket, text?: string) {
      const connection = connections.get(socket)
      if (!connection) return end(socket, text)
      if (connection.isFailed) return
      connection.isFailed = true
      connection.rest = undefined
      socket.pause()
      // A request that arrived partly gets the error as its answer, unless it has another one.
      const last = connection.waiting.at(-1)
      const isAnswered = last?.headersSent === true && !last.req.complete
      settle(connection, isAnswered ? undefined : text)
      setTimeout(() => socket.destroy(), lastAnswersMs).unref()
    },
    /** The answer to this request is the last one. Later requests are ignored. */
    endAfter(socket: Socket): void {
      const connection = connections.get(socket)
      if (connection) connection.isLast = true
    },
    /** A caller authenticated on this connection. Node reads it directly, which is faster, until it pipelines. */
    trust(socket: Socket): void {
      const connection = connections.get(socket)
      if (connection) connection.isTrusted = true
    },
  }
}

const isFailed = (connection: ClientConnection): boolean => connection.isFailed

/** From now on the connection is parsed part by part. */
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
