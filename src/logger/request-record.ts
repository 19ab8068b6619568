/** The members of a request and its answer that may be logged: no URL, whose query may contain a token id, no headers, no body. */

interface RequestRecord {
  readonly method?: string
  /** The pattern of the route; null if none matched. */
  readonly route: string | null
  readonly request_id?: string
}

interface ResponseRecord {
  readonly status?: number
  readonly duration_ms?: number
}

const METHOD = /^[A-Z-]{1,20}$/

/** Accepts a Fastify request or any other value. */
export function requestRecord(request: unknown): RequestRecord {
  const { method, id, routeOptions } = membersOf(request)
  const { url } = membersOf(routeOptions)
  return {
    ...(typeof method === 'string' && METHOD.test(method) && { method }),
    route: typeof url === 'string' ? url : null,
    ...(typeof id === 'string' && { request_id: id.slice(0, 128) }),
  }
}

export function responseRecord(reply: unknown): ResponseRecord {
  const { statusCode, elapsedTime } = membersOf(reply)
  return {
    ...(typeof statusCode === 'number' && { status: statusCode }),
    ...(typeof elapsedTime === 'number' && { duration_ms: Math.round(elapsedTime) }),
  }
}

const NAMES = ['method', 'id', 'routeOptions', 'url', 'statusCode', 'elapsedTime'] as const

/** Getters of Fastify throw if the request is not its own. */
function membersOf(value: unknown): Partial<Record<(typeof NAMES)[number], unknown>> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    NAMES.map((name) => {
      try {
        return [name, Reflect.get(value, name)]
      } catch {
        return [name, undefined]
      }
    }),
  )
}
