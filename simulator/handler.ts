import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, htmlAnswer, textAnswer } from './answer.ts'
import { deliver, spoil } from './delivery.ts'
import { ENDPOINTS, type Endpoint } from './endpoints/index.ts'
import { type Exchange, type Identified, readForm, withQuery } from './exchange.ts'
import { isWait, type TakenFault } from './faults.ts'
import { originsAs, roleOf, splitAuthority } from './hosts.ts'
import type { Outcome } from './request-log.ts'
import type { World } from './world.ts'

/** Handles one request: reads, logs and answers it, with faults. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Answers its own paths. Undefined for others. */
export type ControlHandler = (method: string, path: string, body: string) => Answer | undefined

const LONGEST_BODY = 1_048_576
const TAKE_QUERY: readonly Endpoint['name'][] = ['token', 'revoke', 'introspect', 'data_cloud']

const NOT_FOUND: Endpoint = {
  name: 'unknown',
  path: /^/,
  answer: () => htmlAnswer(404, 'URL No Longer Exists'),
}

interface HandlerDependencies {
  readonly world: World
  readonly scheme: 'http' | 'https'
  readonly control: ControlHandler
}

export function createHandler({ world, scheme, control }: HandlerDependencies): Handler {
  return async (request, response) => {
    response.sendDate = false
    response.setHeader('date', new Date(world.clock.now()).toUTCString())
    try {
      const body = await readBody(request)
      const url = new URL(`${scheme}://simulator${request.url ?? '/'}`)
      // Salesforce's CLI sends an extra slash here, and Salesforce accepts it.
      url.pathname = url.pathname.replace(/^\/\/(?=services\/data\b)/, '/')
      const controlled = control(request.method ?? 'GET', url.pathname, body.toString('utf8'))
      if (controlled !== undefined) return deliver(controlled, response)
      await exchangeWith(request, response, url, body)
    } catch (error) {
      // A client that left, or a stopping simulator, needs no answer. Other errors are shown.
      if (world.stopped.aborted || request.socket.destroyed) return
      if (response.headersSent) response.destroy()
      else deliver(textAnswer(500, `The simulator failed: ${stackOf(error)}`), response)
    }
  }

  async function exchangeWith(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    body: Buffer,
  ): Promise<void> {
    const authority = request.headers.host ?? ''
    const role = roleOf(splitAuthority(authority).host, world.directory.orgs())
    const found = ENDPOINTS.find(({ path }) => path.test(url.pathname))
    const endpoint = role === undefined ? NOT_FOUND : (found ?? NOT_FOUND)
    const headers = headersOf(request)
    const sent = await readForm(headers['content-type'], body)
    const takesQuery = TAKE_QUERY.includes(endpoint.name)
    const form = takesQuery ? withQuery(sent, request.method, url.searchParams) : sent
    let identified: Identified = {}
    const exchange: Exchange = {
      method: request.method ?? 'GET',
      authority,
      path: url.pathname,
      query: url.searchParams,
      headers,
      remoteAddress: request.socket.remoteAddress ?? '',
      form,
      body,
      role: role ?? { kind: 'login' },
      origins: originsAs(scheme, authority),
      node: world.propagation.pickNode(),
      identify(who) {
        identified = { ...identified, ...who }
      },
      identified: () => identified,
      onDelivered: (action) => void response.once('close', action),
    }
    const close = world.log.open({
      at: world.clock.now(),
      endpoint: endpoint.name,
      method: exchange.method,
      scheme,
      host: authority,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers,
      form: form === undefined ? undefined : Object.fromEntries(form),
      node: exchange.node,
    })
    const clientId = claimedClientId(exchange)
    if (clientId !== undefined) exchange.identify({ clientId })
    world.deployments.settle()
    const faults = world.faults.take(endpoint.name, clientId)
    await answer(endpoint, exchange, response, faults, (outcome) => close({ identified, outcome }))
  }

  async function answer(
    endpoint: Endpoint,
    exchange: Exchange,
    response: ServerResponse,
    faults: readonly TakenFault[],
    close: (outcome: Outcome) => void,
  ): Promise<void> {
    const kinds = faults.map(({ rule }) => rule.kind)
    const spoiler = faults.find(({ rule }) => !isWait(rule))
    const spoiled = spoiler === undefined ? undefined : spoil(spoiler.rule)
    const isHandled =
      spoiled === undefined || spoiled.needsAnswer || spoiler?.rule.afterCommit === true

    await waitOut(faults.filter(({ rule }) => !rule.afterCommit))
    const real = isHandled ? await endpoint.answer(exchange, world) : undefined
    const sent = real ?? spoiled?.instead
    // Logged before the answer is sent, so that the client finds it in the log.
    close({
      handled: isHandled,
      status: sent?.status ?? null,
      ...errorOf(sent),
      faults: kinds,
    })
    await waitOut(faults.filter(({ rule }) => rule.afterCommit))
    if (spoiled !== undefined) await spoiled.deliver(real, response)
    else if (real !== undefined) deliver(real, response)
  }

  async function waitOut(faults: readonly TakenFault[]): Promise<void> {
    for (const { rule, held } of faults) {
      if (rule.kind === 'delay') await sleep(rule.ms, undefined, { signal: world.stopped })
      if (rule.kind === 'hold') await held()
    }
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > LONGEST_BODY) throw new Error(`A body over ${LONGEST_BODY} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
  )
}

/** The unverified client id of the request, for faults of one app. */
function claimedClientId({ form, headers }: Exchange): string | undefined {
  const basic = /^Basic +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (basic !== undefined) return Buffer.from(basic, 'base64').toString('utf8').split(':', 1)[0]
  const payload = (form?.get('assertion') ?? form?.get('client_assertion'))?.split('.')[1]
  return form?.get('client_id') ?? issuerOf(payload)
}

function issuerOf(payload: string | undefined): string | undefined {
  const text = Buffer.from(payload ?? '', 'base64url').toString('utf8')
  return /"iss"\s*:\s*"([^"]+)"/.exec(text)?.[1]
}

function errorOf(answer: Answer | undefined): Pick<Outcome, 'error' | 'errorDescription'> {
  const isJson = answer?.headers['content-type']?.startsWith('application/json') ?? false
  const members = isJson
    ? parse(answer?.body)
    : Object.fromEntries(new URLSearchParams(answer?.body))
  const { error, error_description: description } = members
  return {
    error: typeof error === 'string' ? error : null,
    errorDescription: typeof description === 'string' ? description : null,
  }
}

/** The members of an answer that a fault may change. */
function parse(body: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body ?? '')
    return Object(value) as Record<string, unknown>
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
