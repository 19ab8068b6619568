/** Composes the doors of the SOAP API. */
import type { AuditLog } from '../../audit/log.ts'
import type { Gate } from '../../callers/index.ts'
import type { Server } from '../../http/server/server.ts'
import type { Doorkeeping } from '../../tokens/look/compose.ts'
import { createClientIdentity } from '../../tokens/oauth/client-identity.ts'
import type { HeldLeases } from '../../tokens/serve/held-leases.ts'
import type { DoorScopeDependencies } from '../door-scope.ts'
import { createIgnoredRevocations } from '../ignored-revocations.ts'
import { createLogIn } from '../log-in.ts'
import { createShownTokens, type Strangers } from '../shown-tokens.ts'
import { registerSoapDoor } from './soap-route.ts'
import { registerSoapScope } from './soap-scope.ts'
import type { UserInfoSource } from './user-info-source.ts'

interface SoapDependencies {
  readonly doorkeeping: Doorkeeping
  readonly engine: { readonly held: HeldLeases }
  readonly callers: { readonly gate: Gate; readonly strangers: Strangers }
  readonly audit: Pick<AuditLog, 'denied'>
  readonly onProblem: DoorScopeDependencies['onProblem']
  readonly soap: {
    /** False: every request is answered with a fault that says so. */
    readonly isOn: boolean
    readonly userInfo: UserInfoSource
  }
  readonly now: () => number
}

/** Registered outside the guard, because its requests and answers follow Salesforce. */
export async function composeSoap(server: Server, dependencies: SoapDependencies): Promise<void> {
  const { doorkeeping, engine, callers, audit, onProblem, soap, now } = dependencies
  const { handOut, givenTo } = doorkeeping
  const { gate, strangers } = callers
  const logIn = createLogIn({ handOut, identify: createClientIdentity(gate) })
  const shown = createShownTokens({ held: engine.held, strangers })
  const ignoreRevocation = createIgnoredRevocations({ audit, shown, givenTo })
  const { isOn, userInfo } = soap
  await registerSoapScope(server, { gate, onProblem }, isOn, (scope) =>
    registerSoapDoor(scope, { logIn, ignoreRevocation, userInfo, now }),
  )
}
