/** When the simulator worked, from the moment that it had a request until its answer was on the way. It runs in this process. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import type { Teardown } from './setting.ts'

export interface SalesforceTime {
  /** Milliseconds of a span that a request was with it, several at once counted once. */
  within(from: number, to: number): number
  /** Requests that it had so far. */
  requests(): number
  /** Forgets what is over. */
  clear(): void
}

/** `port`: that of the simulator. Times are those of `performance.now()`. */
export function watchSalesforce(t: Teardown, { port }: { readonly port: number }): SalesforceTime {
  let spans: { readonly from: number; to: number }[] = []
  let count = 0
  const open = new WeakMap<IncomingMessage, { readonly from: number; to: number }>()
  const began = (message: unknown) => {
    const { request } = message as { readonly request: IncomingMessage }
    if (request.socket.localPort !== port) return
    const span = { from: performance.now(), to: Number.POSITIVE_INFINITY }
    open.set(request, span)
    spans.push(span)
    count += 1
  }
  const ended = (message: unknown) => {
    const span = open.get((message as { readonly request: IncomingMessage }).request)
    if (span) span.to = performance.now()
  }
  subscribe('http.server.request.start', began)
  subscribe('http.server.response.finish', ended)
  t.teardown(() => {
    unsubscribe('http.server.request.start', began)
    unsubscribe('http.server.response.finish', ended)
  })
  return {
    within(from, to) {
      let sum = 0
      let reached = from
      // They began in this order.
      for (const span of spans) {
        const start = Math.max(span.from, reached)
        const end = Math.min(span.to, to)
        if (end > start) sum += end - start
        reached = Math.max(reached, end)
      }
      return sum
    },
    requests: () => count,
    clear() {
      spans = spans.filter(({ to }) => to === Number.POSITIVE_INFINITY)
    },
  }
}
