/**
 * Looks at every answer of every broker of a test, whoever asked, and holds it against `openapi.yaml`.
 * `.taprc` starts it in each test file, and `spawnValetkey` in each process; nobody has to remember it.
 */
import { createHash, randomUUID } from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import {
  createPublishedAnswers,
  type Exchange,
  type OpenapiDocument,
  type PublishedAnswers,
} from './published-answers.ts'

/** Where a process that a test started writes what it found. */
const FAULTS_VARIABLE = 'ANSWER_FAULTS'
const DOCUMENT = new URL('../../openapi.yaml', import.meta.url)
/** What compiles the schemas of the document: other code is compiled anew. */
const VALIDATORS = new URL('./published-validators.ts', import.meta.url)
/** An install removes it, with the compiler and what the compiled code requires. */
const CACHE = new URL('../../node_modules/.cache/valetkey-answers', import.meta.url).pathname
const PRELOAD = new URL('./watch-answers.ts', import.meta.url)

const ownFaults: string[] = []
let faultsFile: string | undefined
let published: PublishedAnswers | undefined

/** What was wrong so far, here and in the processes that this one started. */
export function answerFaults(): readonly string[] {
  const theirs = faultsFile && existsSync(faultsFile) ? readFileSync(faultsFile, 'utf8') : ''
  return [...ownFaults, ...theirs.split('\n').filter((line) => line !== '')]
}

let told = 0

/** Throws where answers were wrong that it has not told yet. They are kept: the process fails in the end, whoever catches this. */
export function assertPublishedAnswers(): void {
  const fresh = answerFaults().slice(told)
  told += fresh.length
  if (fresh.length > 0) throw new Error(textOf(fresh))
}

/** How a broker is started, so that its answers are looked at, too. Outside of tests: as it is. */
export function watchedProcess(): { nodeArgs: readonly string[]; env: Record<string, string> } {
  if (process.env.TAP === undefined) return { nodeArgs: [], env: {} }
  faultsFile ??= join(tmpdir(), `valetkey-answers-${randomUUID()}`)
  const cache = process.env.NODE_COMPILE_CACHE
  return {
    nodeArgs: [`--import=${PRELOAD.href}`],
    // The preload comes before the broker enables the cache of compiled code by itself.
    env: { [FAULTS_VARIABLE]: faultsFile, ...(cache && { NODE_COMPILE_CACHE: cache }) },
  }
}

/** From now on, in this process. Call it once. */
export function watchAnswers(): void {
  subscribe('fastify.initialization', (message) => {
    const { fastify } = message as { fastify: Watched }
    watchServer(fastify)
  })
  if (process.env[FAULTS_VARIABLE] === undefined) process.once('exit', failWithFaults)
}

interface Watched {
  readonly server: Server
  hasDecorator(name: string): boolean
  inject(...args: readonly unknown[]): unknown
}

function watchServer(fastify: Watched): void {
  // A server that a test puts together itself has no document, and may have routes of its own.
  const isWhole = () => fastify.hasDecorator('swagger')
  fastify.server.prependListener('request', (request, response) => {
    if (theDocument().covers(request.url ?? '/', isWhole())) watchResponse(request, response)
  })
  fastify.server.prependListener('clientError', (_error, socket) => watchRefusal(socket))
  const inject = fastify.inject.bind(fastify)
  fastify.inject = (...args) => {
    const answer = inject(...args)
    return isThenable(answer)
      ? Promise.resolve(answer).then((injected: Injected) => {
          const { method, url } = injected.raw.req
          if (!theDocument().covers(url, isWhole())) return injected
          lookAt({
            ...{ method, url, status: injected.statusCode, body: injected.payload },
            headers: headersOf(injected.headers),
          })
          return injected
        })
      : answer
  }
}

/** Of light-my-request, which is more than a promise. */
const isThenable = (value: unknown): value is PromiseLike<Injected> =>
  typeof (value as PromiseLike<Injected> | undefined)?.then === 'function'

interface Injected {
  readonly raw: { readonly req: { readonly method: string; readonly url: string } }
  readonly statusCode: number
  readonly headers: OutgoingHttpHeaders
  readonly payload: string
}

function watchResponse(request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '/' } = request
  const chunks: (string | Uint8Array)[] = []
  let written: OutgoingHttpHeaders = {}
  const { writeHead, write, end } = response
  const keep = (chunk: unknown) => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(chunk)
  }
  response.writeHead = ((...args: Parameters<typeof writeHead>) => {
    const last = args.at(-1)
    if (typeof last === 'object') written = last as OutgoingHttpHeaders
    return Reflect.apply(writeHead, response, args)
  }) as typeof writeHead
  response.write = ((...args: Parameters<typeof write>) => {
    keep(args[0])
    return Reflect.apply(write, response, args)
  }) as typeof write
  response.end = ((...args: Parameters<typeof end>) => {
    keep(args[0])
    const body = chunks.map((chunk) => Buffer.from(chunk as string).toString()).join('')
    const headers = headersOf({ ...response.getHeaders(), ...written })
    lookAt({ method, url, status: response.statusCode, headers, body })
    return Reflect.apply(end, response, args)
  }) as typeof end
}

/** Malformed HTTP is answered with the bytes of an answer. */
function watchRefusal(socket: Duplex): void {
  const { end } = socket
  socket.end = ((...args: Parameters<typeof end>) => {
    socket.end = end
    if (typeof args[0] === 'string') lookAtBytes(args[0])
    return Reflect.apply(end, socket, args)
  }) as typeof end
}

function lookAtBytes(text: string): void {
  const [head = '', ...body] = text.split('\r\n\r\n')
  const [line = '', ...fields] = head.split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1])
  const headers = Object.fromEntries(
    fields.map((field) => {
      const [name = '', ...value] = field.split(':')
      return [name.toLowerCase(), value.join(':').trim()]
    }),
  )
  const refusal = { status, headers, body: body.join('\r\n\r\n') }
  note(`no request, answered ${status}`, theDocument().faultsOfRefusal(refusal))
}

function lookAt(exchange: Exchange): void {
  const { method, url, status } = exchange
  // The query may hold what is not for the output of a test.
  note(
    `${method} ${url.replace(/\?.*$/s, '')} answered ${status}`,
    theDocument().faultsOf(exchange),
  )
}

function note(what: string, faults: readonly string[]): void {
  for (const fault of faults) {
    const line = `${what}: ${fault}`
    const file = process.env[FAULTS_VARIABLE]
    if (file === undefined) ownFaults.push(line)
    else appendFileSync(file, `${line}\n`)
  }
}

function failWithFaults(): void {
  const faults = answerFaults()
  if (faultsFile) rmSync(faultsFile, { force: true })
  if (faults.length === 0) return
  console.error(textOf(faults))
  process.exitCode = 1
}

const textOf = (faults: readonly string[]) =>
  [
    'Answers that openapi.yaml does not publish (`npm run generate` writes it):',
    ...new Set(faults),
  ].join('\n  ')

const headersOf = (headers: OutgoingHttpHeaders): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  )

function theDocument(): PublishedAnswers {
  if (published) return published
  const text = readFileSync(DOCUMENT, 'utf8')
  const digest = createHash('sha256').update(text).update(readFileSync(VALIDATORS)).digest('hex')
  published = createPublishedAnswers(readDocument(text, digest), join(CACHE, digest))
  return published
}

/** YAML takes a fifth of a second, in each of some hundred processes: it is kept as JSON beside the temporary files. */
function readDocument(text: string, digest: string): OpenapiDocument {
  const kept = join(tmpdir(), `valetkey-openapi-${digest}.json`)
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'))
  // Most processes find it kept, and do not load the parser.
  const { parse } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  const document = parse(text)
  const fresh = `${kept}.${randomUUID()}`
  writeFileSync(fresh, JSON.stringify(document))
  renameSync(fresh, kept)
  return document
}
