import { admit } from '../admission.ts'
import { assertSignedBy, parseAssertion } from '../assertion.ts'
import { findClient } from '../client.ts'
import { Refused } from '../refusals.ts'
import { type Grant, scopesWithout } from './grant.ts'

/** RFC 7523 as Salesforce implements it: an assertion that the key of the app's certificate signed. */
export const jwtBearer: Grant = {
  type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  takesScope: false,
  grant(exchange, world) {
    const assertion = parseAssertion(exchange.form?.get('assertion'))
    const client = findClient(exchange, world, assertion.issuer)
    assertSignedBy(client, assertion, exchange, world, 'user')
    const user = world.directory.findUser(client.org.id, assertion.subject ?? '')
    if (user === undefined) {
      throw new Refused(client.org.active ? 'user_not_approved' : 'org_inactive')
    }
    admit({ client, user, grant: 'jwtBearer' }, exchange, world)
    return {
      client,
      user,
      scopes: scopesWithout(client.configuration.scopes, ['refresh_token', 'offline_access']),
      signed: world.settings().jwtBearerSignature,
    }
  },
}
