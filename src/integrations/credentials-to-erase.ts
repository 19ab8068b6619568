/** Selects the credentials to erase when an integration moves to another login URL. Pure. */
import type { Credential } from '../credentials/credential.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Definition } from './integration.ts'

/** No stored secret is sent to another host. No signature is sent to a host that is not Salesforce's. A grant without a credential keeps none. */
export function credentialsToErase(
  { loginUrl, grant }: Pick<Definition, 'loginUrl' | 'grant'>,
  current: Pick<Definition, 'loginUrl'>,
  hosts: Pick<HostRules, 'isSalesforceOwn'>,
): (credential: Credential) => boolean {
  if (grantOf(grant.type).credentialType(grant) === 'none') return () => true
  const isSame = loginUrl === current.loginUrl
  const isOwn = hosts.isSalesforceOwn(new URL(loginUrl).hostname)
  return ({ state, type }) => !isSame && state !== 'pending' && !(type === 'certificate' && isOwn)
}
