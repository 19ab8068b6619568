/** The app through which an integration is connected, with its opened credentials. */
import { activeOf, openCredential } from '../credentials/credential.ts'
import type { OutsideSecrets } from '../credentials/outside-secrets.ts'
import { BrokerError } from '../errors/errors.ts'
import type { GrantContext, OpenCredential } from '../grants/grant.ts'
import type { RefreshTokenSettings } from '../grants/refresh-token.ts'
import { clientAuthFrom } from '../grants/token-endpoint/client-auth-method.ts'
import { clientIdOf, type Integration } from '../integrations/integration.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'
import { readLender } from '../integrations/references/lending.ts'
import type { Client } from './finish.ts'

interface ConnectionClientDependencies {
  readonly integrations: { readSealed(name: string): Promise<SealedIntegration | undefined> }
  readonly grants: GrantContext
  readonly outside: Pick<OutsideSecrets, 'filled'>
}

/** Throws `integration_draft`, `record_corrupt`, and the problem of a secret that its vault did not give. */
export type ClientOf = (integration: Integration) => Promise<Client>

export function createClientOf({
  integrations,
  grants,
  outside,
}: ConnectionClientDependencies): ClientOf {
  return async ({ name, credentialFrom, loginUrl }) => {
    const sealed = await integrations.readSealed(name)
    const owner = credentialFrom === null ? sealed : await readLender(integrations, credentialFrom)
    if (!sealed || !owner) throw draft()
    const { integration } = sealed
    const active = activeOf(owner.integration.credentials)
    const clientId = clientIdOf(integration, active)
    if (clientId === undefined) throw draft()
    const { byId } = await outside.filled(await owner.open())
    const secret = active && byId[active.id]
    const credential = secret && proofOf(openCredential(secret))
    const settings = integration.grant as RefreshTokenSettings
    const clientAuth = await clientAuthFrom(
      {
        ...{ loginUrl, settings, clientId, signal: NEVER },
        credential: credential ?? { type: 'refresh_token' },
      },
      { ...grants, now: () => grants.now() + grants.endpoint.aheadMs(loginUrl) },
    )
    const clientSecrets = owner.integration.credentials
      .filter((one) => clientIdOf(integration, one) === clientId)
      .flatMap(({ id }) => {
        const other = byId[id]
        // A former secret that its vault has no more proves nothing any more.
        if (!other || 'outside' in other) return []
        return proofOf(openCredential(other)).clientSecret ?? []
      })
    return { clientId, clientAuth, clientSecrets }
  }
}

/** The client authentication of a credential, in the form of the grant. */
function proofOf(credential: OpenCredential): Proof {
  const { type } = credential
  if (type === 'certificate') return { type: 'refresh_token', privateKey: credential.privateKey }
  const clientSecret = 'clientSecret' in credential ? credential.clientSecret : undefined
  return { type: 'refresh_token', ...(clientSecret && { clientSecret }) }
}

type Proof = Extract<OpenCredential, { readonly type: 'refresh_token' }>

/** Client authentication sends no request, so nothing aborts it. */
const NEVER = new AbortController().signal

const draft = () =>
  new BrokerError(
    'integration_draft',
    'The integration has no client id yet, so nobody can approve it',
  )
