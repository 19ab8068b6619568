/** Composes the front doors: what a Salesforce client asks of its login host. */
import type { AuditLog } from '../audit/log.ts'
import type { Gate } from '../callers/index.ts'
import type { Server } from '../http/server/server.ts'
import type { Doorkeeping } from '../tokens/look/compose.ts'
import { createClientIdentity } from '../tokens/oauth/client-identity.ts'
import type { Broker } from '../tokens/serve/broker.ts'
import type { HeldLeases } from '../tokens/serve/held-leases.ts'
import { type DoorScopeDependencies, registerDoors } from './door-scope.ts'
import { registerIdentityDoors } from './identity-routes.ts'
import { createIgnoredRevocations } from './ignored-revocations.ts'
import { registerInstanceRoutes } from './instance-routes.ts'
import { registerIntrospectDoor } from './introspect-route.ts'
import { createLogIn } from './log-in.ts'
import { registerMetadataDoors } from './metadata-routes.ts'
import { registerRevokeDoor } from './revoke-route.ts'
import { createShownTokens, type Strangers } from './shown-tokens.ts'
import { registerTokenDoor } from './token-route.ts'

interface DoorsDependencies {
  readonly doorkeeping: Doorkeeping
  readonly engine: { readonly broker: Broker; readonly held: HeldLeases }
  readonly callers: { readonly gate: Gate; readonly strangers: Strangers }
  readonly audit: Pick<AuditLog, 'denied' | 'requireWritable'>
  readonly onProblem: DoorScopeDependencies['onProblem']
  /** The origin of this service. Undefined: as each request names it. */
  readonly publicUrl: string | undefined
  readonly now: () => number
}

/** Registered outside the guard, because its requests and answers follow Salesforce. */
export async function composeDoors(server: Server, dependencies: DoorsDependencies): Promise<void> {
  const { doorkeeping, engine, callers, audit, onProblem, publicUrl, now } = dependencies
  const { handOut, givenTo } = doorkeeping
  const { gate, strangers } = callers
  const { broker, held } = engine
  const identify = createClientIdentity(gate)
  const shown = createShownTokens({ held, strangers })
  const ignoreRevocation = createIgnoredRevocations({ audit, shown, givenTo })
  await registerDoors(server, { gate, onProblem }, (scope) => {
    registerTokenDoor(scope, createLogIn({ handOut, identify }))
    registerRevokeDoor(scope, { identify, ignoreRevocation })
    registerIntrospectDoor(scope, { identify, held, now })
    registerIdentityDoors(scope, { identify, shown, broker, audit })
    registerMetadataDoors(scope, publicUrl)
    registerInstanceRoutes(scope)
  })
}
