/**
 * Answers without authentication, rendered once and kept as bytes, so that a request costs little.
 * To add one, pass its forms, one for each media type, to {@link registerPublicAnswer}.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifySchema } from 'fastify'
import { BrokerError } from '../../errors/errors.ts'
import { once } from '../../runtime/once.ts'
import { acceptsGzip, chooseMediaType } from '../server/accept.ts'
import type { Server } from '../server/server.ts'

export interface PublicAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The gzip form. */
  readonly packed: Packed | undefined
}

interface Packed {
  readonly body: Buffer
  /** Sent also to clients that do not accept gzip. */
  readonly isUnasked: boolean
}

interface PublicAnswerOptions {
  /** Default: 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Whether clients may cache it and revalidate it with its `ETag`. Default: false. */
  readonly revalidates?: boolean
  /** Default: uncompressed only. */
  readonly packed?: Packed
}

export function publicAnswer(
  mediaType: string,
  content: string | Buffer,
  { status = 200, headers = {}, revalidates = false, packed }: PublicAnswerOptions = {},
): PublicAnswer {
  const body = Buffer.from(content)
  return {
    status,
    headers: {
      ...headers,
      'content-type': mediaType,
      ...(packed && { vary: 'accept-encoding' }),
      ...(revalidates && { etag: tagOf(body), 'cache-control': 'public, max-age=0' }),
    },
    body,
    packed,
  }
}

/** Weak, because it is the same for the compressed form. */
const tagOf = (body: Buffer) =>
  `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`

/** Bytes that are copied at once for a TLS connection. Plain connections share the bytes. */
const PIECE = 64 * 1024

interface Reply {
  readonly request: {
    readonly headers: {
      readonly 'if-none-match'?: string | undefined
      readonly 'accept-encoding'?: string | string[] | undefined
    }
    readonly raw: { readonly socket: Socket }
  }
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(payload: never): unknown
}

/** Sends the bytes, compressed or not, or 304 if the client has them. */
export function sendPublicAnswer(
  reply: Reply,
  { status, headers, body, packed }: PublicAnswer,
): void {
  const { etag } = headers
  const asked = reply.request.headers
  if (etag !== undefined && asked['if-none-match'] === etag) {
    reply.code(304)
    reply.headers({ etag })
    reply.send(undefined as never)
    return
  }
  const isPacked = packed && (acceptsGzip(asked['accept-encoding']?.toString()) ?? packed.isUnasked)
  const bytes = isPacked ? packed.body : body
  reply.code(status)
  reply.headers({ ...headers, 'content-length': String(bytes.length) })
  if (isPacked) reply.headers({ 'content-encoding': 'gzip' })
  const isCopied = reply.request.raw.socket instanceof TLSSocket
  reply.send((isCopied && bytes.length > PIECE ? inPieces(bytes) : bytes) as never)
}

/** Pieces per iteration of the event loop, for all long answers together. Short answers go first. */
const EACH_TURN = 8
const due: (() => void)[] = []
let isLeaving = false

function leave(): void {
  for (const push of due.splice(0, EACH_TURN)) push()
  isLeaving = due.length > 0
  if (isLeaving) setImmediate(leave)
}

function inTurn(push: () => void): void {
  due.push(push)
  if (isLeaving) return
  isLeaving = true
  setImmediate(leave)
}

/** Reads the next piece after the last one is sent, so that a slow client holds only one piece in memory. */
function inPieces(body: Buffer): Readable {
  let at = 0
  return new Readable({
    highWaterMark: 1,
    read() {
      inTurn(() => {
        const piece = body.subarray(at, at + PIECE)
        at += piece.length
        this.push(piece.length > 0 ? piece : null)
      })
    },
  })
}

/** Selects the answer by `Accept`. The first one wins a tie, and a single answer is always selected. Throws `not_acceptable` if none fits. */
export function acceptableAnswer(
  accept: string | undefined,
  answers: readonly PublicAnswer[],
): PublicAnswer {
  const [only] = answers
  if (only && answers.length === 1) return only
  const types = answers.map(({ headers }) => headers['content-type']?.split(';')[0] ?? '')
  const chosen = answers[chooseMediaType(accept, types)]
  if (!chosen) throw new BrokerError('not_acceptable', `There are ${types.join(' and ')}`)
  return chosen
}

interface PublicRoute {
  readonly schema: FastifySchema
  /** In order of preference; called at the first request. */
  readonly answers: () => readonly PublicAnswer[]
}

/** Registers `GET` and `HEAD` for a constant answer in one or more media types. */
export function registerPublicAnswer(server: Server, path: string, route: PublicRoute): void {
  const answers = once(route.answers)
  server.get(path, { schema: route.schema }, (request, reply: FastifyReply) =>
    sendPublicAnswer(reply, acceptableAnswer(request.headers.accept, answers())),
  )
}
