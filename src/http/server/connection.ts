/** State of one connection of an HTTP server: requests, pending answers, and whether to read more. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Feed, takeOver } from './node-reader.ts'

/** Most pending answers of one connection, with and without authentication. Each takes about 4 KB while its request waits. */
export const WAITING_ANSWERS = 64
export const WAITING_ANSWERS_OF_ANYBODY = 8
/** Limit in bytes. The answer that reaches it is still made. */
export const WAITING_BYTES = 64 * 1024
const END_OF_HEADERS = '\r\n\r\n'

export interface ClientConnection {
  readonly socket: Socket
  /** Node's own parser. */
  readonly feed: Feed
  /** Pending answers in order. The last one remains after it is sent, until another one comes. */
  readonly waiting: ServerResponse[]
  /** Bytes received but not parsed. */
  rest: Buffer | undefined
  /** Requests that Node parsed itself and that are not handled yet. */
  readonly strays: (() => void)[]
  isTrusted: boolean
  /** The client sent a request before it had the previous answer. */
  isPiled: boolean
  /** This module paused reading, not Node. */
  isHeld: boolean
  /** The answer whose end resumes parsing. */
  followed: ServerResponse | undefined
  isLast: boolean
  isFailed: boolean
}

/** Must be called before any data arrives. */
export function clientConnectionOf(socket: Socket): ClientConnection | undefined {
  const feed = takeOver(socket)
  return (
    feed && {
      ...{ socket, feed, waiting: [], rest: undefined, strays: [], followed: undefined },
      ...{ isTrusted: false, isPiled: false, isHeld: false, isLast: false, isFailed: false },
    }
  )
}

/** Returns bytes up to the end of a header section, so that they contain at most one request. */
export function nextPart(connection: ClientConnection): Buffer {
  const { rest = Buffer.alloc(0) } = connection
  const end = rest.indexOf(END_OF_HEADERS, 0, 'latin1')
  const length = end === -1 ? rest.length : end + END_OF_HEADERS.length
  connection.rest = length === rest.length ? undefined : rest.subarray(length)
  return connection.rest === undefined ? rest : rest.subarray(0, length)
}

/** Whether another request may be parsed. */
export function mayAsk({ waiting, isTrusted }: ClientConnection): boolean {
  while (waiting.length > 1 && waiting[0]?.writableFinished) waiting.shift()
  if (waiting.length === 0 || waiting[0]?.writableFinished) return true
  const most = isTrusted ? WAITING_ANSWERS : WAITING_ANSWERS_OF_ANYBODY
  if (waiting.length >= most) return false
  let bytes = 0
  for (const response of waiting) bytes += response.writableLength
  return bytes < WAITING_BYTES
}

/** Whether no answer is pending, except to a request that is still arriving. */
export const isQuiet = ({ waiting }: ClientConnection): boolean =>
  waiting.length === 0 ||
  waiting[0]?.writableFinished === true ||
  waiting[0]?.req.complete === false

/** Whether the last request to handle has arrived completely. */
export const isFinished = ({ isLast, waiting }: ClientConnection): boolean =>
  isLast && (waiting.at(-1)?.req.complete ?? true)

/** Pending answers to parsed requests. */
export const pendingOf = ({ waiting }: ClientConnection): readonly ServerResponse[] =>
  waiting.filter(
    ({ req, headersSent, writableFinished, destroyed }) =>
      (req.complete || headersSent) && !writableFinished && !destroyed,
  )
