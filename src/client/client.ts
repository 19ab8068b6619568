/** The client of Valetkey, typed by its OpenAPI document. It needs no other package, and keeps nothing but its options. */
import { OPERATIONS, type Operations } from './api/operations.ts'
import type { Problem } from './api/problems.ts'
import type { Token } from './api/tokens.ts'
import { ProblemError, UnreachableError } from './problem-error.ts'

export interface ClientOptions {
  /** Of the broker, as in `https://valetkey.internal`. It may have a path. */
  readonly url: string
  /** An API key or a JWT; or a function that gives the current one for each request. */
  readonly key: string | (() => string | Promise<string>)
  /** Longest time for a request, in milliseconds. Default 30,000; a mint takes 10,000 at most. */
  readonly timeoutMs?: number
  /** Default: that of the runtime. */
  readonly fetch?: typeof fetch
}

export interface TokenOptions {
  /** Seconds that the token must be good for, 0 to 3600. Default 30. */
  readonly min_ttl?: number
  /** The `token_id` that Salesforce answered with 401: another token is wanted. */
  readonly rejected?: string
  readonly signal?: AbortSignal
}

type OperationName = keyof Operations
export type AnswerOf<Name extends OperationName> = Operations[Name]['answer']

type Part<Name extends OperationName, Member extends string> = Operations[Name] extends {
  readonly [Key in Member]: infer Type
}
  ? { readonly [Key in Member]: Type }
  : Operations[Name] extends { readonly [Key in Member]?: infer Type }
    ? { readonly [Key in Member]?: Type }
    : object

/** Path, query and body of an operation, and what every request may have. */
export type RequestOf<Name extends OperationName> = Part<Name, 'path'> &
  Part<Name, 'query'> &
  Part<Name, 'body'> & {
    /** ETag of an earlier answer, or `*`. */
    readonly ifMatch?: string
    /** `*`: only if it does not exist yet. */
    readonly ifNoneMatch?: '*'
    readonly signal?: AbortSignal
  }

export interface Answer<Body> {
  readonly status: number
  readonly body: Body
  /** For `ifMatch` of a change. */
  readonly etag: string | undefined
  readonly requestId: string | undefined
}

export interface ValetkeyClient {
  /** The current access token of an integration. Throws {@link ProblemError} and {@link UnreachableError}. */
  token(integration: string, options?: TokenOptions): Promise<Token>
  /** Any operation of the OpenAPI document by its `operationId`. Throws {@link ProblemError} and {@link UnreachableError}. */
  request<Name extends OperationName>(
    name: Name,
    request: RequestOf<Name>,
  ): Promise<Answer<AnswerOf<Name>>>
  /** The same for an operation that answers a text when it is asked for one of this media type. */
  text(
    name: OperationName,
    mediaType: string,
    path: Readonly<Record<string, string>>,
  ): Promise<string>
}

interface Sent {
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  readonly ifMatch?: string
  readonly ifNoneMatch?: '*'
  readonly signal?: AbortSignal
  readonly accept?: string
}

const TIMEOUT_MS = 30_000
const PEM = 'application/x-pem-file'

/** Throws a `TypeError` for a URL that is not one of HTTP. Its functions do so for a key or a path that no request can have. */
export function createClient({
  url,
  key,
  timeoutMs = TIMEOUT_MS,
  ...options
}: ClientOptions): ValetkeyClient {
  const base = baseOf(url)
  const send = options.fetch ?? fetch

  const ask = async (name: OperationName, sent: Sent): Promise<Received> => {
    const [method, path] = OPERATIONS[name]
    const address = `${base}${filled(path, sent.path)}${queryOf(sent.query)}`
    const credential = oneLine(typeof key === 'string' ? key : await key())
    const { body, signal } = sent
    const timeout = AbortSignal.timeout(timeoutMs)
    const init = {
      method,
      // The key goes to no other host.
      redirect: 'error' as const,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: headersOf(credential, sent),
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }
    try {
      const response = await send(address, init)
      const received = { response, text: await response.text() }
      if (response.ok) return received
      throw problemIn(received)
    } catch (error) {
      if (error instanceof ProblemError || error instanceof UnreachableError) throw error
      signal?.throwIfAborted()
      throw new UnreachableError(`the broker cannot be reached at ${base}: ${causeOf(error)}`, {
        cause: error,
      })
    }
  }

  const client: ValetkeyClient = {
    async request(name, request) {
      const received = await ask(name, request as Sent)
      const { response } = received
      return {
        status: response.status,
        body: bodyIn(received) as never,
        etag: response.headers.get('etag') ?? undefined,
        requestId: response.headers.get('x-request-id') ?? undefined,
      }
    },
    async text(name, accept, path) {
      return (await ask(name, { accept, path })).text
    },
    async token(integration, { signal, ...query } = {}) {
      const { body } = await client.request('getToken', {
        path: { integration },
        query,
        ...(signal && { signal }),
      })
      return body
    },
  }
  return client
}

function baseOf(url: string): string {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username + parsed.password !== '') {
    throw new TypeError('the URL of the broker must be one of http or https without credentials')
  }
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
}

/** An error about a header would repeat the key. */
function oneLine(key: string): string {
  const text = key.trim()
  if (/^[!-~]+$/.test(text)) return text
  throw new TypeError('the key must be one line of ASCII characters without spaces')
}

function headersOf(credential: string, { body, accept, ifMatch, ifNoneMatch }: Sent) {
  const type = typeof body === 'string' ? PEM : 'application/json'
  return {
    accept: accept ?? 'application/json, */*;q=0.1',
    authorization: `Bearer ${credential}`,
    ...(body !== undefined && { 'content-type': type }),
    ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    ...(ifNoneMatch !== undefined && { 'if-none-match': ifNoneMatch }),
  }
}

const filled = (path: string, values: Readonly<Record<string, string>> = {}) =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => segmentOf(name, values[name] ?? ''))

/** A URL has no other form of these three, and they would make it the path of another operation. */
function segmentOf(name: string, value: string): string {
  if (!/^\.{0,2}$/.test(value)) return encodeURIComponent(value)
  throw new TypeError(`path.${name} must not be empty or consist of dots`)
}

function queryOf(query: Readonly<Record<string, unknown>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = new URLSearchParams(
    given.map(([name, value]): [string, string] => [name, String(value)]),
  ).toString()
  return text === '' ? '' : `?${text}`
}

/** An answer with its whole body. */
interface Received {
  readonly response: Response
  readonly text: string
}

function bodyIn({ response: { headers, status }, text }: Received): unknown {
  if (status === 204) return undefined
  if (!/[/+]json\b/.test(headers.get('content-type') ?? '')) return text
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    // The cause would have a part of the text, which may be a token.
    throw new UnreachableError(`the broker answered ${status} with a broken body`)
  }
}

function problemIn(received: Received): Error {
  const { response } = received
  const body = bodyIn(received)
  const { code, status } = Object(body) as Partial<Problem>
  if (typeof code !== 'string' || typeof status !== 'number') {
    return new UnreachableError(
      `${response.status} without a problem was answered: something else than the broker answers there`,
    )
  }
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ProblemError(body as Problem, Number.isFinite(wait) ? wait : undefined)
}

/** The innermost cause has the code of the system. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  if (error.name === 'TimeoutError') return 'no answer in time'
  if (error.cause !== undefined) return causeOf(error.cause)
  return code ?? error.message
}
