/**
 * Answers that anybody may ask for, each made once and kept as bytes: what costs its sender nothing
 * must cost next to nothing here. To add one, give its forms, one for each media type, to
 * {@link registerPublicAnswer}.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifySchema } from 'fastify'
import { BrokerError } from '../../errors/errors.ts'
import { acceptsGzip, chooseMediaType } from '../server/accept.ts'
import type { Server } from '../server/server.ts'

export interface PublicAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The same by gzip. */
  readonly packed: Packed | undefined
}

interface Packed {
  readonly body: Buffer
  /** Also for those who do not say that they can unpack it. */
  readonly isUnasked: boolean
}

/** What may be said of an answer beside its content. */
export interface PublicAnswerOptions {
  /** Default 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Whether a client may keep it, and ask whether it is still the same (`ETag`). Default: no. */
  readonly revalidates?: boolean
  /** Default: only as it is. */
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

/** Weak: it is the same whether it is packed or not. */
const tagOf = (body: Buffer) =>
  `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`

/** Makes it with the first call; then it is the same for all. A promise that rejects, as where no file could be opened just then, is made again with the next call. */
export function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined
  return () => {
    if (made) return made.value
    const value = make()
    made = { value }
    if (value instanceof Promise) {
      value.catch(() => {
        made = undefined
      })
    }
    return value
  }
}

/** In bytes. What is written to a connection with TLS is copied: of a long answer, so much at once. A plain connection refers to the bytes that all share. */
const PIECE = 64 * 1024

/** The least that this asks of a reply. */
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

/** Sends the bytes as they are, or packed; 304 to whoever has them. */
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

/** Pieces that leave in one turn of the event loop, of all long answers: whoever asks for much waits for those who ask for little. */
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

/** The next piece is read when the last one is gone: who does not read holds one piece, and not the whole. */
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

/** The answer whose media type fits the `Accept` header best; the first one wins a tie, and one alone is for all. Throws `not_acceptable` where none fits. */
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

export interface PublicRoute {
  readonly schema: FastifySchema
  /** In order of preference; called with the first request. */
  readonly answers: () => readonly PublicAnswer[]
}

/** `GET` and `HEAD` of a path whose answer never changes, in one or more media types. */
export function registerPublicAnswer(server: Server, path: string, route: PublicRoute): void {
  const answers = once(route.answers)
  server.get(path, { schema: route.schema }, (request, reply: FastifyReply) =>
    sendPublicAnswer(reply, acceptableAnswer(request.headers.accept, answers())),
  )
}
