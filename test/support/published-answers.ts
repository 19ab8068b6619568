/** Whether an answer is one that `openapi.yaml` publishes: its status, its media type, its documented headers and its body. */
import type { ValidateFunction } from 'ajv/dist/2020.js'
import { createValidators } from './published-validators.ts'

export interface Exchange {
  readonly method: string
  /** As in the request line. */
  readonly url: string
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface PublishedAnswers {
  /** Whether answers to this path are looked at: by a server of every route, or by one of some that a test picked. */
  covers(url: string, isWhole: boolean): boolean
  /** What is wrong with the answer, in words that repeat nothing of its body. Empty: nothing. */
  faultsOf(exchange: Exchange): readonly string[]
  /** Of an answer to what was no request: there is no route to look up. */
  faultsOfRefusal(exchange: Pick<Exchange, 'status' | 'headers' | 'body'>): readonly string[]
}

export type Schema = Readonly<Record<string, unknown>>

interface Response {
  readonly $ref?: string
  readonly headers?: Readonly<
    Record<string, { readonly required?: boolean; readonly schema?: Schema }>
  >
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>
}

interface Operation {
  /** Every method is answered as this one. */
  readonly 'x-any-method'?: boolean
  /** So is every path below. */
  readonly 'x-any-path-below'?: boolean
  readonly responses: Readonly<Record<string, Response>>
}

export interface OpenapiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>
    readonly responses?: Readonly<Record<string, Response>>
  }
}

interface Route {
  readonly path: string
  readonly pattern: RegExp
  readonly operations: Readonly<Record<string, Operation>>
}

/** Paths of Salesforce's login host and of an instance. */
const DOOR = /^\/(?:login\/[^/]+|services)(?:\/|$)/
/** The pages that show the document are not described by it. */
const UNPUBLISHED = /^\/(docs(\/.*)?|openapi\.(json|yaml))?$/
const PROBLEM = 'application/problem+json'
/** What a path that is not published may be answered with, and a method that a path does not take. */
const OUTSIDE = new Set([400, 401, 404, 405, 408, 413, 414, 415, 431, 500])

/** `folder`: where compiled validators are kept for other processes. Default: nowhere. */
export function createPublishedAnswers(
  document: OpenapiDocument,
  folder?: string,
): PublishedAnswers {
  const validatorAt = createValidators(document, folder)
  const routes = routesOf(document)
  /** The last body of each response that was right: most come again as they were. */
  const right = new Map<string, string>()

  const faultsOfBody = (body: string, type: string, pointer: readonly string[]) => {
    const key = pointer.join(' ')
    if (right.get(key) === body) return []
    const value = /json$/.test(type) ? parsed(body) : body
    if (value === undefined) return ['the body is not JSON']
    const validate = validatorAt(pointer)
    if (validate(value)) {
      right.set(key, body)
      return []
    }
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `body${instancePath} ${message} ${JSON.stringify(params)}`,
    )
  }

  const faultsOfProblem = ({ headers, body }: Pick<Exchange, 'headers' | 'body'>) =>
    mediaTypeOf(headers) === PROBLEM
      ? faultsOfBody(body, PROBLEM, ['components', 'schemas', 'Problem'])
      : [`its media type is ${mediaTypeOf(headers)}`]

  /** What belongs to an instance is refused in the form of its REST API. */
  const faultsOfDoor = ({ status, body }: Exchange): readonly string[] => {
    if (status === 421) return Array.isArray(parsed(body)) ? [] : ['the refusal is no list']
    return OUTSIDE.has(status) ? [] : ['no operation is published here']
  }

  const outside = (exchange: Exchange, path: string): readonly string[] => {
    if (UNPUBLISHED.test(path) && exchange.status < 400) return []
    if (DOOR.test(path)) return faultsOfDoor(exchange)
    if (!OUTSIDE.has(exchange.status)) return ['no operation is published here']
    return exchange.method === 'HEAD' ? [] : faultsOfProblem(exchange)
  }

  const findRoute = (path: string) => routes.find(({ pattern }) => pattern.test(path))

  return {
    covers: (url, isWhole) =>
      isWhole ? !UNPUBLISHED.test(pathOf(url)) : findRoute(pathOf(url)) !== undefined,
    faultsOf(exchange) {
      const { method, url, status, headers, body } = exchange
      const path = pathOf(url)
      const route = findRoute(path)
      const name = (method === 'HEAD' ? 'GET' : method).toLowerCase()
      const operation = route?.operations[name] ?? anyOf(route)
      if (!route || !operation) return outside(exchange, path)
      const shared = operation.responses[status]?.$ref?.split('/').at(-1)
      const response =
        shared === undefined ? operation.responses[status] : document.components.responses?.[shared]
      // A HEAD route of its own kind may refuse what GET does.
      if (!response) {
        return method === 'HEAD' && status === 405 ? [] : [`${status} is not published`]
      }
      const place =
        shared === undefined
          ? ['paths', route.path, nameOf(route, operation), 'responses', String(status)]
          : ['components', 'responses', shared]
      const faults = faultsOfHeaders(response, headers, (name) =>
        validatorAt([...place, 'headers', name, 'schema']),
      )
      if (method === 'HEAD') return faults
      if (!response.content) return body === '' ? faults : [...faults, 'no body is published']
      const type = mediaTypeOf(headers)
      if (!Object.hasOwn(response.content, type)) {
        return [...faults, `the media type ${type} is not published for ${status}`]
      }
      if (!response.content[type]?.schema) return faults
      const pointer = [...place, 'content', type]
      return [...faults, ...faultsOfBody(body, type, [...pointer, 'schema'])]
    },
    faultsOfRefusal: (exchange) => {
      const everywhere = routes.every(({ operations }) =>
        Object.values(operations).every(({ responses }) => responses[exchange.status]),
      )
      const faults = faultsOfProblem(exchange)
      return everywhere
        ? faults
        : [...faults, `${exchange.status} may come anywhere, and is not published everywhere`]
    },
  }
}

function faultsOfHeaders(
  response: Response,
  headers: Readonly<Record<string, string>>,
  validatorOf: (name: string) => ValidateFunction,
): readonly string[] {
  return Object.entries(response.headers ?? {}).flatMap(([name, { required, schema }]) => {
    const value = headers[name.toLowerCase()]
    if (value === undefined) return required ? [`the header ${name} is missing`] : []
    const isWhole = schema?.type === 'integer' || schema?.type === 'number'
    if (schema === undefined) return []
    const validate = validatorOf(name)
    if (validate(isWhole ? Number(value) : value)) return []
    const why = (validate.errors ?? []).map(({ message }) => `data ${message}`).join(', ')
    return [`the header ${name} ${why}`]
  })
}

/** Paths without parameters first, as the router takes them. */
function routesOf({ paths }: OpenapiDocument): readonly Route[] {
  const count = (path: string) => path.split('{').length
  return Object.entries(paths)
    .map(([path, operations]) => {
      const hasBelow = Object.values(operations).some((operation) => operation['x-any-path-below'])
      return { path, pattern: patternOf(path, hasBelow), operations }
    })
    .sort((a, b) => count(a.path) - count(b.path))
}

const patternOf = (path: string, hasBelow: boolean) => {
  const source = path.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')
  return new RegExp(`^${source}${hasBelow ? '(/.*)?' : ''}$`, 's')
}

/** The operation of the route that answers every method. */
const anyOf = (route: Route | undefined): Operation | undefined =>
  Object.values(route?.operations ?? {}).find((operation) => operation['x-any-method'])

const nameOf = ({ operations }: Route, operation: Operation): string =>
  Object.entries(operations).find(([, one]) => one === operation)?.[0] ?? ''

const WELL_KNOWN = '/.well-known/oauth-authorization-server/login/any'

/** Of the URL in any of its forms (RFC 9112, section 3.2). The doors at the root are those of an integration. */
const pathOf = (url: string) => {
  const path = url.replace(/^https?:\/\/[^/?]*/i, '').replace(/[?#].*$/s, '')
  if (!/^\/+(?:login|services|id|\.well-known)\//.test(path)) return path
  if (/^\/+(?:login\/[^/]+\/)?\.well-known\//.test(path)) return WELL_KNOWN
  const plain = path.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  return plain
    .replace(/^\/(?=services\/|id\/)/, '/login/any/')
    .replace(/(\/services\/Soap\/[^/]+\/[^/]+)\/[^/]+$/, '$1')
}

const mediaTypeOf = (headers: Readonly<Record<string, string>>) =>
  (headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase()

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
