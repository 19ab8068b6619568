/** What every endpoint for OAuth and Salesforce clients does before it reads the body: answers are not stored, and secrets in a URL are refused. */
import { idOfApiKey } from '../../callers/api-key.ts'
import type { Gate } from '../../callers/index.ts'
import { BrokerError } from '../../errors/errors.ts'
import { countHeader } from '../../http/server/raw-headers.ts'
import type { Server } from '../../http/server/server.ts'
import { secretInQuery } from './secret-in-url.ts'

type Identify = Pick<Gate, 'identifyBearer'>

const KEY_LENGTH = 61

/** Guards all routes of this scope. Call it before routes are registered. */
export function guardUrls(scope: Server, gate: Identify): void {
  scope.decorateRequest('principal')
  scope.addHook('onRequest', (request, reply, done) => {
    reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
    if (countHeader(request.raw.rawHeaders, 'authorization') > 1) {
      throw new BrokerError('request_invalid', 'Authorization is present more than once')
    }
    const secret = secretInQuery(request.raw.url)
    if (secret === undefined) {
      done()
      return
    }
    ownerOf(secret, gate, request).then((principal) => {
      if (principal) request.principal = principal
      done(new BrokerError('secret_in_url', 'The query of the URL has a secret'))
    }, done)
  })
}

/** The owner of an exposed key, for the audit. Undefined: it is no valid key. */
async function ownerOf(
  secret: string,
  gate: Identify,
  request: Parameters<Gate['identifyBearer']>[0],
) {
  const key = secret.slice(0, KEY_LENGTH)
  if (idOfApiKey(key) === undefined) return undefined
  try {
    return await gate.identifyBearer(request, key)
  } catch {
    // The request is refused in any case.
    return undefined
  }
}
