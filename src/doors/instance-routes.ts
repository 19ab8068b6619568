/** Refuses API calls: some clients send them, with the token, to the host that they logged in at. */
import type { Server } from '../http/server/server.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
/** In the form of the REST API. Clients show the message, and do not log in again. */
const REFUSAL = JSON.stringify([
  {
    errorCode: 'MISDIRECTED_REQUEST',
    message:
      'This is the login host. Send API calls to instance_url, which the answer of the token endpoint has.',
  },
])

/** Neither the body nor the token is read. */
export function registerInstanceRoutes(scope: Server): void {
  for (const url of ['/login/:integration', '/login/:integration/*', '/services', '/services/*']) {
    scope.route({
      method: [...METHODS],
      url,
      schema: { hide: true },
      // Without the callback, the answer ends the request here.
      onRequest(_request, reply, _done) {
        // The rest of the request is not waited for.
        reply.header('connection', 'close').header('content-type', 'application/json;charset=UTF-8')
        reply.code(421).send(REFUSAL)
      },
      handler: () => undefined,
    })
  }
}
