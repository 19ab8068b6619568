/** `/status`: what people see of the service in a browser. */
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import type { BrowserSessions } from '../callers/browser-sessions.ts'
import { allowsSome, type Principal } from '../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../callers/reference-table.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { htmlPage } from '../http/openapi/representations.ts'
import { HTML_MEDIA_TYPE, policyOf } from '../http/pages/html-page.ts'
import { logFailure } from '../http/problems/failure-log.ts'
import { problemAnswer, problems, toBrokerError } from '../http/problems/problem.ts'
import { FORM, takeForms } from '../http/server/form-body.ts'
import type { Server, ServerOptions } from '../http/server/server.ts'
import { ListQuery } from '../integrations/schemas/schemas.ts'
import { FORM_EXTRA, OVERVIEW_EXTRA } from './look.ts'
import type { createOverview } from './overview.ts'
import { KEY_FIELD, overviewPage, PATHS, problemPage, signInPage } from './pages.ts'
import { erasedCookies, sessionCookie, sessionIn } from './session-cookie.ts'

type OnProblem = NonNullable<ServerOptions['onProblem']>
type Request = Parameters<OnProblem>[1]

interface StatusRouteDependencies {
  readonly overview: ReturnType<typeof createOverview>
  readonly sessions: BrowserSessions
  readonly audit: Pick<AuditLog, 'change' | 'requireWritable'>
  readonly onProblem: OnProblem
  /** The origin at which browsers reach the service, if it is configured. */
  readonly publicUrl: string | undefined
  readonly now: () => number
}

const { state, label, cursor } = ListQuery.properties
const Query = Type.Object({ state, label, cursor }, { additionalProperties: false })

/** Problems are pages, too. Where the page is off, it is not found. */
const refused = (...statuses: readonly number[]) => ({
  ...problems('not_found'),
  ...Object.fromEntries(
    [400, 414, 500, ...statuses].map((status) => [status, htmlPage('What is wrong')]),
  ),
})

/** No page is kept, and no address of one is told to another site. A form needs its `Origin`, so the policy is not `no-referrer`. */
const HEADERS = {
  'content-type': HTML_MEDIA_TYPE,
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex',
  'cross-origin-opener-policy': 'same-origin',
}
const FORM_HEADERS = { ...HEADERS, 'content-security-policy': policyOf(FORM_EXTRA) }
const OVERVIEW_HEADERS = { ...HEADERS, 'content-security-policy': policyOf(OVERVIEW_EXTRA) }

/** Registered outside the guard, because a session takes the place of a credential, for these pages alone. */
export async function registerStatusPage(
  server: Server,
  dependencies: StatusRouteDependencies,
): Promise<void> {
  const { overview, sessions, audit, onProblem, publicUrl, now } = dependencies
  const ownOrigin = publicUrl === undefined ? undefined : new URL(publicUrl).origin

  /** Sends nothing else than pages of this origin may send. */
  const requireOwnOrigin = (request: Request): URL => {
    const origin = originOf(request.headers.origin)
    if (origin && (origin.host === request.host || origin.origin === ownOrigin)) return origin
    throw new BrokerError('caller_forbidden', 'Origin is not the origin of this page', {
      remedy:
        'Sign in at the page itself. A proxy must pass `Host` on, or `VALETKEY_PUBLIC_URL` must be the address in the browser.',
    })
  }

  const principalOf = async (request: Request): Promise<Principal | undefined> => {
    const session = sessionIn(request.headers.cookie)
    return session === undefined ? undefined : sessions.find(session, request)
  }

  await server.register(async (plain) => {
    const scope = plain as Server
    scope.decorateRequest('principal')
    takeForms(scope, (text) => ({ [KEY_FIELD]: new URLSearchParams(text).get(KEY_FIELD) ?? '' }))

    scope.setErrorHandler((thrown, request, reply) => {
      const error = onProblem(toBrokerError(thrown, [FORM]), request)
      logFailure(error, request)
      const { headers, body } = problemAnswer(error, { id: request.id, path: PATHS.page })
      const html =
        request.routeOptions.url === PATHS.signIn
          ? signInPage(body)
          : problemPage(body, request.principal && overview.readiness())
      return reply
        .code(error.status)
        .headers({ ...headers, ...FORM_HEADERS })
        .serializer(String)
        .send(html as never)
    })

    scope.get(
      PATHS.page,
      {
        exposeHeadRoute: false,
        ...operation('showStatus', 'service', {
          summary: 'The status page for people, or the page where they sign in',
          description:
            'Public. A session is a cookie, which counts for this page alone. Shows what its API key may see with `integrations:read`.',
          security: [],
          querystring: Query,
          response: {
            200: htmlPage('The page, or without a session the one to sign in'),
            ...refused(403, 503),
          },
        }),
      },
      async (request, reply) => {
        const principal = await principalOf(request)
        const show = (html: string, headers: Record<string, string>) =>
          reply
            .headers(headers)
            .serializer(String)
            .send(html as never)
        if (!principal) return show(signInPage(), FORM_HEADERS)
        request.principal = principal
        requireReader(principal)
        const shown = await overview.of(principal, request.query)
        return show(overviewPage(shown, request.query, principal), OVERVIEW_HEADERS)
      },
    )

    scope.post(
      PATHS.signIn,
      operation('signIn', 'service', {
        summary: 'Begins a session of a browser',
        description:
          'Public. `Origin` must be the origin of the status page. A wrong key counts as one of any request. The session lasts 8 hours, and ends with the key.',
        security: [],
        consumes: [FORM],
        body: Type.Object(
          { [KEY_FIELD]: Type.String({ maxLength: 512, description: 'An API key' }) },
          { title: 'Sign-in', description: 'The form of the page' },
        ),
        response: {
          303: Type.Null({ description: 'Signed in: to the status page' }),
          ...refused(401, 403, 413, 415, 429, 503),
        },
      }),
      async (request, reply) => {
        const origin = requireOwnOrigin(request)
        audit.requireWritable()
        const { principal, session, endsAt } = await sessions.begin(
          request,
          request.body[KEY_FIELD].trim(),
        )
        request.principal = principal
        requireReader(principal)
        await audit.change(request, {
          ...{ action: 'browser.signed_in', integration: null },
          ...(principal.key && { detail: { api_key: principal.key.id } }),
        })
        const seconds = Math.floor((endsAt - now()) / 1_000)
        return reply
          .header('set-cookie', sessionCookie(session, isSecure(origin), seconds))
          .headers({ 'cache-control': 'no-store' })
          .redirect(PATHS.page, 303)
      },
    )

    const leaving = operation('signOut', 'service', {
      summary: 'Erases the session of a browser',
      description: 'Public. `Origin` must be the origin of the status page.',
      security: [],
      response: {
        303: Type.Null({ description: 'Signed out: to the status page' }),
        ...refused(403, 413, 415),
      },
    })
    scope.post(PATHS.signOut, leaving, (request, reply) => {
      const origin = requireOwnOrigin(request)
      reply
        .header('set-cookie', erasedCookies(isSecure(origin)))
        .headers({ 'cache-control': 'no-store' })
        .redirect(PATHS.page, 303)
    })
  })
}

const isSecure = ({ protocol }: URL): boolean => protocol === 'https:'

function originOf(header: string | undefined): URL | undefined {
  return header !== undefined && URL.canParse(header) ? new URL(header) : undefined
}

function requireReader(principal: Principal): void {
  if (!allowsSome(principal, NAMED_IN_ANSWERS)) {
    throw new BrokerError('caller_forbidden', `You lack ${NAMED_IN_ANSWERS}`)
  }
}
