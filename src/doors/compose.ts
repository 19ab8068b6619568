/** Composes the front doors: what a Salesforce client asks of its login host. */
import type { Gate } from '../callers/index.ts'
import type { Server } from '../http/server/server.ts'
import { createClientIdentity } from '../tokens/oauth/client-identity.ts'
import { type DoorScopeDependencies, registerDoors } from './door-scope.ts'
import { registerInstanceRoutes } from './instance-routes.ts'
import { registerTokenDoor, type TokenDoorDependencies } from './token-route.ts'

interface DoorsDependencies extends Omit<TokenDoorDependencies, 'identify'> {
  readonly gate: Gate
  readonly onProblem: DoorScopeDependencies['onProblem']
}

/** Registered outside the guard, because its requests and answers follow Salesforce. */
export async function composeDoors(server: Server, dependencies: DoorsDependencies): Promise<void> {
  const { gate, onProblem, ...others } = dependencies
  const identify = createClientIdentity(gate)
  await registerDoors(server, { gate, onProblem }, (scope) => {
    registerTokenDoor(scope, { ...others, identify })
    registerInstanceRoutes(scope)
  })
}
