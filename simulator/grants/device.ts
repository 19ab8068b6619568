import { admit } from '../admission.ts'
import { authenticateClient } from '../client.ts'
import { keyToBind } from '../dpop.ts'
import { approvedBy, type Grant } from './grant.ts'

/** Polling of the device flow with Salesforce's names: `grant_type=device`, `code` (protocol, section 3.3). */
export const device: Grant = {
  type: 'device',
  takesScope: false,
  grant(exchange, world) {
    const client = authenticateClient(exchange, world, { secretOptional: () => true })
    const code = exchange.form?.get('code') ?? ''
    const { userId, scopes } = world.deviceCodes.poll(code, client.app.id)
    const user = world.directory.user(userId)
    admit({ client, user, grant: 'interactive' }, exchange, world)
    return approvedBy(client, user, scopes, world, keyToBind('device', exchange, world))
  },
}
