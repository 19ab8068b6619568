/** Takes traces by OTLP over HTTP, as a collector does, or hangs as one can. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly isError: boolean
  readonly attributes: Readonly<Record<string, string | number>>
  /** Of the process that sent it. */
  readonly resource: Readonly<Record<string, string | number>>
}

export interface OtlpReceiver {
  readonly url: string
  spans(): readonly ReceivedSpan[]
  /** Every text in what came, once: names, attributes, ids. */
  texts(): readonly string[]
  headers(): readonly NodeJS.Dict<string | string[]>[]
  /** `hang`: requests are taken and never answered. */
  set(mode: 'answer' | 'hang'): void
  /** How many requests wait for an answer. */
  hanging(): number
  close(): Promise<void>
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string }
}

interface Body {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Pick<
        ReceivedSpan,
        'traceId' | 'spanId' | 'parentSpanId' | 'name'
      > & {
        readonly attributes: readonly Attribute[]
        readonly status: { readonly code?: number }
      })[]
    }[]
  }[]
}

const STATUS_ERROR = 2

export async function startOtlpReceiver(port = 0): Promise<OtlpReceiver> {
  const bodies: string[] = []
  const headers: NodeJS.Dict<string | string[]>[] = []
  const held = new Set<ServerResponse>()
  let mode: 'answer' | 'hang' = 'answer'

  const answer = (response: ServerResponse) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')

  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    if (request.method !== 'POST' || request.url !== '/v1/traces') {
      response.writeHead(404).end()
      return
    }
    if (mode === 'hang') {
      held.add(response)
      response.on('close', () => held.delete(response))
      return
    }
    bodies.push(text)
    headers.push(request.headers)
    answer(response)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as { port: number }

  return {
    url: `http://127.0.0.1:${own}`,
    spans: () => bodies.flatMap((text) => spansOf(JSON.parse(text))),
    texts: () => [...new Set(bodies.flatMap((body) => textsIn(JSON.parse(body))))],
    headers: () => headers,
    set(next) {
      mode = next
    },
    hanging: () => held.size,
    async close() {
      server.closeAllConnections()
      server.close()
      if (server.listening) await once(server, 'close')
    },
  }
}

const textsIn = (value: unknown): readonly string[] => {
  if (typeof value !== 'object' || value === null) return [String(value)]
  return Object.entries(value).flatMap(([name, one]) => [name, ...textsIn(one)])
}

const recordOf = (attributes: readonly Attribute[]) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  )

const spansOf = ({ resourceSpans }: Body): readonly ReceivedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId, name, attributes, status }) => ({
        ...{ traceId, spanId, name },
        parentSpanId: parentSpanId || undefined,
        isError: status.code === STATUS_ERROR,
        attributes: recordOf(attributes),
        resource: recordOf(resource.attributes),
      })),
    ),
  )
