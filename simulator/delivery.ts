import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { createGzip } from 'node:zlib'
import { type Answer, htmlAnswer, jsonAnswer } from './answer.ts'
import type { Fault } from './faults.ts'
import { REFUSALS } from './refusals.ts'
import { refuseRest } from './rest-refusals.ts'

/** Sends an answer, unchanged or as a fault requires. */
type Delivery = (answer: Answer | undefined, response: ServerResponse) => void | Promise<void>

/** How a fault changes the delivery, and whether it needs the real answer. */
interface Spoiled {
  readonly needsAnswer: boolean
  readonly deliver: Delivery
  /** The answer that replaces the real one, if any. */
  readonly instead?: Answer
}

const OVERSIZE_BYTES = 128 * 1024
const FLOOD_BYTES = 300_000_000
const DRIP_MS = 100
const FOREIGN_INSTANCE_URL = 'https://acme.my.salesforce.com.evil.example'

export function deliver(answer: Answer, response: ServerResponse): void {
  response.writeHead(answer.status, {
    ...answer.headers,
    'content-length': Buffer.byteLength(answer.body),
  })
  response.end(answer.body)
}

/** How a fault other than a delay changes the answer. */
export function spoil(fault: Fault): Spoiled {
  switch (fault.kind) {
    case 'refusal': {
      const { error, errorDescription } = REFUSALS[fault.refusal]
      return instead(jsonAnswer(400, { error, error_description: errorDescription }))
    }
    case 'rest_refusal':
      return instead(refuseRest(fault.refusal))
    case 'answer':
      return instead({ status: 200, headers: {}, body: '', ...fault.answer })
    case 'html':
      return instead(htmlAnswer(fault.status ?? 503, 'We are down for maintenance.'))
    case 'empty':
      return instead({ status: fault.status ?? 200, headers: {}, body: '' })
    case 'invalid_json':
      return instead({ ...jsonAnswer(200, {}), body: '{"access_token":"00D' })
    case 'redirect':
      return instead({
        status: fault.status ?? 302,
        headers: { location: fault.location },
        body: '',
      })
    case 'too_many_requests':
      return instead({
        status: 429,
        headers: fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter },
        body: '',
      })
    case 'reset':
      return { needsAnswer: false, deliver: (_, response) => reset(response) }
    case 'truncated':
      return { needsAnswer: true, deliver: truncate }
    case 'oversize':
      return changed((members) => ({
        ...members,
        padding: 'x'.repeat(fault.bytes ?? OVERSIZE_BYTES),
      }))
    case 'flood':
      return { needsAnswer: false, deliver: (_, response) => flood(fault, response) }
    case 'drip':
      return {
        needsAnswer: false,
        deliver: (_, response) => drip(fault.intervalMs ?? DRIP_MS, response),
      }
    case 'members':
      return changed((members) => {
        const removed = fault.remove ?? []
        const kept = Object.entries(members).filter(([name]) => !removed.includes(name))
        return { ...Object.fromEntries(kept), ...fault.set }
      })
    case 'foreign_instance_url':
      return changed((members) => ({
        ...members,
        instance_url: fault.instanceUrl ?? FOREIGN_INSTANCE_URL,
      }))
    case 'delay':
    case 'hold':
      return {
        needsAnswer: true,
        deliver: (answer, response) => orReset(answer, response, deliver),
      }
  }
}

function instead(replacement: Answer): Spoiled {
  return {
    needsAnswer: false,
    instead: replacement,
    deliver: (_, response) => deliver(replacement, response),
  }
}

function changed(
  change: (members: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>,
): Spoiled {
  return {
    needsAnswer: true,
    deliver: (answer, response) =>
      orReset(answer, response, (true_) => {
        const members = JSON.parse(true_.body) as Record<string, unknown>
        deliver({ ...true_, body: JSON.stringify(change(members)) }, response)
      }),
  }
}

function truncate(answer: Answer | undefined, response: ServerResponse): void {
  orReset(answer, response, ({ status, headers, body }) => {
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
    response.write(body.slice(0, body.length / 2), () => response.destroy())
  })
}

function orReset(
  answer: Answer | undefined,
  response: ServerResponse,
  send: (answer: Answer, response: ServerResponse) => void,
): void {
  if (answer === undefined) reset(response)
  else send(answer, response)
}

function reset({ socket }: ServerResponse): void {
  if (socket instanceof TLSSocket) socket.destroy()
  else socket?.resetAndDestroy()
}

async function flood(
  { bytes = FLOOD_BYTES, gzip = false }: { readonly bytes?: number; readonly gzip?: boolean },
  response: ServerResponse,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'application/json',
    ...(gzip ? { 'content-encoding': 'gzip' } : {}),
  })
  const blanks = Readable.from(blanksOf(bytes))
  try {
    await (gzip ? pipeline(blanks, createGzip(), response) : pipeline(blanks, response))
  } catch (error) {
    // A flood ends when the client closes the connection.
    if (!response.closed && !response.destroyed) throw error
  }
}

function* blanksOf(bytes: number): Generator<Buffer> {
  const chunk = Buffer.alloc(65_536, ' ')
  for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
  yield Buffer.from('{}')
}

async function drip(intervalMs: number, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' })
  while (!response.closed && !response.destroyed) {
    response.write(' ')
    await sleep(intervalMs, undefined, { ref: false })
  }
}
