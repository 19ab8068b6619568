/** What the routes of SOAP share: bodies of XML, and faults for all errors. */
import { BrokerError } from '../../errors/errors.ts'
import { toBrokerError } from '../../http/problems/problem.ts'
import { takeTexts } from '../../http/server/form-body.ts'
import type { Server } from '../../http/server/server.ts'
import { guardUrls } from '../../tokens/oauth/url-guard.ts'
import { type DoorScopeDependencies, integrationInUrl } from '../door-scope.ts'
import { faultText, isOutage, soapFaultOf } from './fault.ts'
import { readSoapRequest } from './soap-request.ts'
import { SOAP_CONTENT_TYPE, SOAP_MEDIA_TYPE, soapApiOf } from './soap-route.ts'

/** `isOn`: false answers every request with a fault that says so. */
export async function registerSoapScope(
  server: Server,
  { gate, onProblem }: DoorScopeDependencies,
  isOn: boolean,
  register: (scope: Server) => void,
): Promise<void> {
  await server.register(async (plain) => {
    const scope = plain as Server
    takeTexts(scope, { mediaType: SOAP_MEDIA_TYPE, parse: readSoapRequest })
    guardUrls(scope, gate)
    scope.addHook('onRequest', ({ raw: { headers } }, _reply, done) => {
      // Clients name this type in many ways, or not at all.
      headers['content-type'] = SOAP_MEDIA_TYPE
      done()
    })
    if (!isOn) {
      scope.addHook('onRequest', (_request, _reply, done) => done(turnedOff()))
    }
    scope.setErrorHandler((thrown, request, reply) => {
      const problem = toBrokerError(thrown, [SOAP_MEDIA_TYPE])
      const fault = soapFaultOf(onProblem(problem, request), integrationInUrl(request))
      if (isOutage(fault)) request.log.warn({ err: problem, code: problem.code }, 'request failed')
      const { retryAfterSeconds } = fault
      if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
      reply.header('content-type', SOAP_CONTENT_TYPE)
      return reply.code(500).send(faultText(fault, soapApiOf(request)?.kind))
    })
    register(scope)
  })
}

const turnedOff = () =>
  new BrokerError('not_found', 'SOAP login is turned off in this service', {
    remedy: 'Log in by OAuth, or ask an operator to set VALETKEY_SOAP_LOGIN=on.',
  })
