/** Which credentials do not go along when an integration moves to another login URL. Pure. */
import type { Credential } from '../credentials/credential.ts'
import { grantOf } from '../grants/index.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Definition } from './integration.ts'

/** Neither as a fallback nor staged does a secret come to another host, nor a signature to one that is not Salesforce's own; and a grant that takes none keeps none. */
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
