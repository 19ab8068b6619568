/** Lets a client in that named itself as Salesforce's clients do, and hands out the lease that it asks for. */
import { allowsSome, onlyReadable, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import type { DoorHandOut } from '../tokens/look/hand-out.ts'
import type { IdentifyClient } from '../tokens/oauth/client-identity.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import { type DoorRequest, integrationInUrl } from './door-scope.ts'
import { integrationToLogInTo, type Login } from './login-request.ts'

interface LogInDependencies {
  readonly handOut: DoorHandOut
  readonly identify: IdentifyClient
}

export type LogIn = ReturnType<typeof createLogIn>

/** Throws and rejects as the parts do, and with `caller_forbidden`. A hit comes without a promise. */
export function createLogIn({ handOut, identify }: LogInDependencies) {
  return <Written>(
    request: DoorRequest,
    login: Login,
    write: (lease: Lease, at: number) => Written,
    check?: (lease: Lease) => void,
  ): Written | Promise<Written> => {
    const again = () => identify(request, login.proof)
    const serve = (principal: Principal) => {
      request.principal = principal
      if (!allowsSome(principal, 'tokens:read')) {
        throw new BrokerError('caller_forbidden', 'The caller has no tokens:read')
      }
      const name = integrationToLogInTo(login, integrationInUrl(request), onlyReadable(principal))
      return handOut(request, name, again, write, { check })
    }
    const found = again()
    return found instanceof Promise ? found.then(serve) : serve(found)
  }
}
