import { admit } from '../admission.ts'
import { authenticateClient } from '../client.ts'
import { Refused } from '../refusals.ts'
import { type Grant, scopesWithout } from './grant.ts'

/** Client credentials: only on a My Domain. The app acts as its run-as user. */
export const clientCredentials: Grant = {
  type: 'client_credentials',
  takesScope: false,
  grant(exchange, world) {
    if (exchange.role.kind !== 'my_domain') throw new Refused('wrong_domain')
    const client = authenticateClient(exchange, world)
    const { configuration, org } = client
    if (!configuration.clientCredentialsFlow) throw new Refused('client_credentials_off')
    if (configuration.pkceRequired) throw new Refused('code_challenge_missing')
    const user = world.directory.findUser(org.id, configuration.runAsUsername ?? '')
    if (user === undefined) throw new Refused('no_run_as_user')
    const scopes = scopesWithout(configuration.scopes, [
      'full',
      'web',
      'refresh_token',
      'offline_access',
    ])
    if (scopes.length === 0) throw new Refused('no_valid_scopes')
    admit({ client, user, grant: 'clientCredentials' }, exchange, world)
    return { client, user, scopes, signed: true }
  },
}
