/** `GET /oauth/callback`: Salesforce sends the browser of the person here. The route is public. Only a valid `state` completes a connection. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { htmlPage } from '../http/openapi/representations.ts'
import type { Server } from '../http/server/server.ts'
import {
  BARE_PAGE,
  type ConnectionPage,
  connectionPageOf,
  PAGE_HEADERS,
  unavailablePage,
} from './page.ts'
import type { Callback, CallbackResult, WebServerFlow } from './web-server-flow.ts'

interface CallbackRouteDependencies {
  /** Absent: `VALETKEY_PUBLIC_URL` is not set, so no state is valid. */
  readonly flow: Pick<WebServerFlow, 'finish'> | undefined
  /** Throws `audit_unavailable`. Then nothing is completed. */
  readonly audit: { requireWritable(): void }
  /** Called after a callback that completed nothing. */
  readonly onRefused: () => void
}

const INVALID: CallbackResult = { type: 'invalid' }

export function registerCallbackRoute(
  server: Server,
  { flow, audit, onRefused }: CallbackRouteDependencies,
): void {
  const finish = async (callback: Callback, requestId: string): Promise<CallbackResult> => {
    if (!flow) return INVALID
    audit.requireWritable()
    return flow.finish(callback, requestId)
  }

  server.get(
    '/oauth/callback',
    {
      // Link scanners must not complete a connection.
      exposeHeadRoute: false,
      ...operation('finishConnection', 'credentials', {
        summary: 'The callback URL, to which Salesforce sends the browser',
        description:
          'Public. `state` is valid once, for 10 minutes. The answer is a page for people. Programs read `GET /integrations/{name}/connections/{id}`.',
        security: [],
        // Accepts any value, because a page reports all errors.
        querystring: Type.Object({
          state: brought('As the link had it'),
          code: brought('Where the person allowed it'),
          error: brought('Where they did not, or the app may not ask them'),
          error_description: brought('Explanation for people'),
        }),
        response: {
          200: htmlPage(
            'The integration is connected. Without parameters: the purpose of this URL',
          ),
          400: htmlPage('It is not connected, or the link is not valid'),
          503: htmlPage('Not now; the link stays good'),
        },
      }),
    },
    async (request, reply) => {
      const show = ({ status, html }: ConnectionPage) =>
        reply
          .code(status)
          .headers(PAGE_HEADERS)
          .serializer(String)
          .send(html as never)
      if (isBare(request.query)) return show(BARE_PAGE)
      try {
        const result = await finish(request.query, request.id)
        if (result.type !== 'ended') onRefused()
        return show(connectionPageOf(result))
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error
        request.log.warn({ err: error, code: error.code }, 'a connection could not be completed')
        return show(unavailablePage(request.id))
      }
    },
  )
}

/** Salesforce did not send this request. It helps an operator to check the URL before it is entered in Salesforce. */
const isBare = ({ state, code, error }: Callback): boolean =>
  state === undefined && code === undefined && error === undefined

/** A repeated parameter is an array. */
const brought = (description: string) =>
  Type.Optional(Type.Unsafe<unknown>({ type: ['string', 'array'], description }))
