/** One connection of an HTTP server: what was asked on it, what is owed on it, and whether more may be asked. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Feed, takeOver } from './node-reader.ts'

/** Answers of one connection that may wait at a time, of a caller and of anybody: each is some 4 KB while its request waits for something. */
export const WAITING_ANSWERS = 64
export const WAITING_ANSWERS_OF_ANYBODY = 8
/** The same in bytes; the answer that reaches it is still made. */
export const WAITING_BYTES = 64 * 1024
const END_OF_HEADERS = '\r\n\r\n'

export interface ClientConnection {
  readonly socket: Socket
  /** Node's own reader of what comes. */
  readonly feed: Feed
  /** Answers that are not gone, in order; the last one stays when it is gone, until another comes. */
  readonly waiting: ServerResponse[]
  /** What was sent, and is not understood yet. */
  rest: Buffer | undefined
  /** Requests that Node has understood by itself, and that nobody has seen. */
  readonly strays: (() => void)[]
  isTrusted: boolean
  /** It asked for something before it had the answer to something else. */
  isPiled: boolean
  /** Nothing is read, by our choice and not by Node's. */
  isHeld: boolean
  /** The answer whose end is waited for, to go on. */
  followed: ServerResponse | undefined
  isLast: boolean
  isFailed: boolean
}

/** To be called before anything has come on it. */
export function clientConnectionOf(socket: Socket): ClientConnection | undefined {
  const feed = takeOver(socket)
  return (
    feed && {
      ...{ socket, feed, waiting: [], rest: undefined, strays: [], followed: undefined },
      ...{ isTrusted: false, isPiled: false, isHeld: false, isLast: false, isFailed: false },
    }
  )
}

/** Up to the end of a header section: no more than one request is in it. */
export function nextPart(connection: ClientConnection): Buffer {
  const { rest = Buffer.alloc(0) } = connection
  const end = rest.indexOf(END_OF_HEADERS, 0, 'latin1')
  const length = end === -1 ? rest.length : end + END_OF_HEADERS.length
  connection.rest = length === rest.length ? undefined : rest.subarray(length)
  return connection.rest === undefined ? rest : rest.subarray(0, length)
}

/** Whether another request may be understood. */
export function mayAsk({ waiting, isTrusted }: ClientConnection): boolean {
  while (waiting.length > 1 && waiting[0]?.writableFinished) waiting.shift()
  if (waiting.length === 0 || waiting[0]?.writableFinished) return true
  const most = isTrusted ? WAITING_ANSWERS : WAITING_ANSWERS_OF_ANYBODY
  if (waiting.length >= most) return false
  let bytes = 0
  for (const response of waiting) bytes += response.writableLength
  return bytes < WAITING_BYTES
}

/** Nothing waits for an answer, but for a request that is still coming. */
export const isQuiet = ({ waiting }: ClientConnection): boolean =>
  waiting.length === 0 ||
  waiting[0]?.writableFinished === true ||
  waiting[0]?.req.complete === false

/** The last request that counts is there whole. */
export const isFinished = ({ isLast, waiting }: ClientConnection): boolean =>
  isLast && (waiting.at(-1)?.req.complete ?? true)

/** Answers that are on their way, to requests that were understood. */
export const pendingOf = ({ waiting }: ClientConnection): readonly ServerResponse[] =>
  waiting.filter(
    ({ req, headersSent, writableFinished, destroyed }) =>
      (req.complete || headersSent) && !writableFinished && !destroyed,
  )
