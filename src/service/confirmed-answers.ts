/** Completes a change that too few replicas confirmed, with its audit line, before the request is refused. */
import { READING } from '../callers/index.ts'
import type { Server } from '../http/server/server.ts'
import { createRequestWrites, type RequestWrites } from '../store/integrity/unconfirmed.ts'

/** Applies to routes that are registered after it. */
export function tellUnconfirmed(server: Server): void {
  const writes = new WeakMap<object, RequestWrites>()

  server.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => READING.includes(method))) return
    const { handler } = route
    route.handler = function within(request, reply) {
      const own = createRequestWrites()
      writes.set(request, own)
      return own.run(() => handler.call(this, request, reply))
    }
    route.onSend = [
      ...[route.onSend ?? []].flat(),
      (request, reply, payload, done) => {
        const error = writes.get(request)?.end()
        // The answer with the problem also passes here.
        writes.delete(request)
        if (error === undefined || reply.statusCode >= 400) done(null, payload)
        else done(error)
      },
    ]
  })
}
