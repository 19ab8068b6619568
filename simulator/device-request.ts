import { findClient } from './client.ts'
import type { Exchange } from './exchange.ts'
import { Refused } from './refusals.ts'
import { requestedScopes } from './scopes.ts'
import type { World } from './world.ts'

/** A request of a device for its codes, at the token endpoint with `response_type=device_code` (protocol, section 3.3). */
export function isDeviceRequest({ method, form }: Exchange): boolean {
  return method === 'POST' && form?.get('response_type') === 'device_code'
}

/** The data that the device shows to its user. There is no `expires_in`. Throws `Refused`. */
export function deviceRequest(exchange: Exchange, world: World): Record<string, string | number> {
  const { form, origins, role } = exchange
  exchange.identify({ grant: 'device_code' })
  const { app, org, configuration } = findClient(exchange, world, form?.get('client_id'))
  if (!configuration.deviceFlow) throw new Refused('response_type_not_supported')
  const scopes = requestedScopes(form?.get('scope'), configuration.scopes)
  const issued = world.deviceCodes.issue({ appId: app.id, orgId: org.id, scopes })
  const host = role.kind === 'my_domain' ? origins.myDomain(org) : origins.loginOf(org)
  return {
    device_code: issued.deviceCode,
    user_code: issued.userCode,
    verification_uri: `${host}/setup/connect`,
    interval: issued.intervalMs / 1000,
  }
}
