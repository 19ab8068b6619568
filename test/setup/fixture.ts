/** Integrations as a setup meets them: drafts, with a key, with a staged one, with a secret. */

import type { Credential, CredentialState } from '../../src/credentials/credential.ts'
import { NO_SECRETS } from '../../src/credentials/credential.ts'
import { compose, definitionOf } from '../../src/integrations/composition.ts'
import type { Integration } from '../../src/integrations/integration.ts'

const NOW = Date.UTC(2026, 10, 22)

export const PEM = [
  '-----BEGIN CERTIFICATE-----',
  'MIIC+/zCCAeegAwIBAgI=',
  '-----END CERTIFICATE-----',
  '',
].join('\n')

export function credential(
  id: string,
  state: CredentialState,
  changes: Partial<Credential> = {},
): Credential {
  return {
    id,
    type: 'certificate',
    state,
    clientId: null,
    createdAt: NOW,
    activatedAt: state === 'active' ? NOW : null,
    retiresAt: null,
    certificate: {
      subject: 'CN=test',
      serial: '01',
      fingerprintSha256: id,
      notBefore: NOW,
      notAfter: NOW + 86_400_000,
      keyBits: 2048,
      pem: PEM,
    },
    ...changes,
  }
}

export const GRANTS = {
  jwt_bearer: { type: 'jwt_bearer', username: 'billing@acme.com' },
  client_credentials: { type: 'client_credentials' },
  private_key_jwt: { type: 'client_credentials', clientAuth: 'private_key_jwt' },
  refresh_token: { type: 'refresh_token' },
} as const

export function integration(changes: Partial<Integration> = {}): Integration {
  const loginUrl = changes.loginUrl ?? 'https://acme.my.salesforce.com'
  const name = changes.name ?? 'billing'
  const grant = changes.grant ?? GRANTS.jwt_bearer
  const composed = compose(
    {
      name,
      definition: definitionOf({ loginUrl, grant }, { checkLoginUrl: (url) => url }, undefined),
      managedBy: 'api',
      current: undefined,
      secrets: NO_SECRETS,
      fresh: undefined,
      owner: undefined,
    },
    { now: () => NOW, uniqueId: () => 'uid' },
  )
  return { ...composed.integration, ...changes }
}
