/** Connects the audit with requests: refuses changes while the audit is blocked, and records denials. */
import type { Outsider } from '../callers/authentication/authenticator.ts'
import { READING } from '../callers/index.ts'
import type { Principal } from '../callers/policy.ts'
import type { ProblemCode } from '../errors/problems.ts'
import type { Server } from '../http/server/server.ts'
import type { Denial } from './denials.ts'
import type { AuditLog } from './log.ts'

const DENIALS: readonly ProblemCode[] = [
  'caller_unauthenticated',
  'caller_forbidden',
  'request_not_allowed',
  'rate_limited',
  'secret_in_url',
]
const NAME = /^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/

/** Refuses all changes in this scope while lines cannot be written. Register it behind the guard. */
export function refuseWhileBlocked(server: Server, audit: Pick<AuditLog, 'requireWritable'>): void {
  server.addHook('onRequest', (request, _reply, done) => {
    if (READING.includes(request.method)) {
      done()
      return
    }
    try {
      audit.requireWritable()
      done()
    } catch (error) {
      done(error as Error)
    }
  })
}

/** What the audit needs of a request that was answered with a problem. */
interface DeniedRequest {
  readonly id: string
  readonly ip: string
  readonly params: unknown
  readonly principal?: Pick<Principal, 'id' | 'key'>
  readonly routeOptions: { readonly schema?: unknown }
}

/** Undefined: the request failed for another reason. `outside`: whose valid credential it has, which does not count from its address. */
export function denialOf(
  request: DeniedRequest,
  code: ProblemCode,
  outside?: Outsider,
): Denial | undefined {
  if (!DENIALS.includes(code)) return undefined
  const operation = member(request.routeOptions.schema, 'operationId')
  const exposed = code === 'secret_in_url' ? request.principal?.key?.id : outside?.key?.id
  const name = member(request.params, 'integration') ?? member(request.params, 'name')
  return {
    requestId: request.id,
    principal: request.principal?.id ?? outside?.id ?? null,
    code: outside ? 'outside_networks' : code,
    address: request.ip,
    ...(operation !== undefined && { operation }),
    ...(exposed !== undefined && { apiKey: exposed }),
    ...(name !== undefined && NAME.test(name) && { integration: name }),
  }
}

function member(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Reflect.get(value, name)
  return typeof found === 'string' ? found : undefined
}
