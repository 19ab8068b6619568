/** Counts and times requests by the pattern of their route, never by their path. */

import type { Server } from '../http/server/server.ts'
import type { Counter, Histogram, Metrics } from './registry.ts'
import type { METRICS } from './table.ts'

const UNMATCHED = 'unmatched'

/** Must be called before the routes are registered. */
export function meterRequests(server: Server, metrics: Metrics<typeof METRICS>): void {
  /** Routes without requests have no series. */
  const meterOf = (route: string, method: string) => {
    let duration: Histogram | undefined
    /** By the first digit of the status. */
    const counters: (Counter | undefined)[] = []
    const counterOf = (digit: number): Counter => {
      const status = `${digit}xx`
      const counter = metrics.counter('valetkey_http_requests_total', { route, method, status })
      counters[digit] = counter
      return counter
    }
    return (status: number, tookMs: number) => {
      const digit = Math.trunc(status / 100)
      const counter = counters[digit] ?? counterOf(digit)
      counter.add()
      duration ??= metrics.histogram('valetkey_http_request_duration_seconds', { route, method })
      duration.observe(tookMs / 1000)
    }
  }

  // Each route has its own hook and counters, so that a request needs no lookup.
  server.addHook('onRoute', (route) => {
    const methods = [route.method].flat()
    const meters = new Map(methods.map((method) => [method, meterOf(route.url, method)]))
    const [only] = meters.size === 1 ? meters.values() : []
    route.onResponse = [
      ...[route.onResponse ?? []].flat(),
      (request, reply, done) => {
        const meter = only ?? meters.get(request.method)
        meter?.(reply.statusCode, reply.elapsedTime)
        done()
      },
    ]
  })

  const unmatched = new Map<string, ReturnType<typeof meterOf>>()
  server.addHook('onResponse', (request, reply, done) => {
    if (request.is404) {
      // Node accepts only a fixed set of methods.
      const meter = unmatched.get(request.method) ?? meterOf(UNMATCHED, request.method)
      unmatched.set(request.method, meter)
      meter(reply.statusCode, reply.elapsedTime)
    }
    done()
  })
}
