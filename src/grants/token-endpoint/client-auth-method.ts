import { BrokerError } from '../../errors/errors.ts'
import { signAssertion } from '../assertion.ts'
import type { GrantContext, GrantRequest, GrantSettings } from '../grant.ts'
import {
  type ClientAuth,
  type ClientAuthMethod,
  clientSecretBasic,
  clientSecretPost,
  privateKeyJwt,
  publicClient,
} from './client-auth.ts'
import { tokenUrl } from './token-endpoint.ts'

interface Settings extends GrantSettings {
  readonly clientAuth?: ClientAuthMethod
}

/** Throws `credential_required` if `private_key_jwt` has no key. */
export async function clientAuthFrom(
  request: GrantRequest<Settings>,
  context: Pick<GrantContext, 'signers' | 'now' | 'uniqueId'>,
): Promise<ClientAuth> {
  const { settings, credential, clientId, loginUrl } = request
  const clientSecret = 'clientSecret' in credential ? credential.clientSecret : undefined
  const privateKey = 'privateKey' in credential ? credential.privateKey : undefined
  if (settings.clientAuth === 'private_key_jwt') {
    if (!privateKey) {
      throw new BrokerError('credential_required', 'private_key_jwt needs a signing key.')
    }
    const claims = { issuer: clientId, subject: clientId, audience: tokenUrl(loginUrl) }
    return privateKeyJwt(await signAssertion(claims, privateKey, context))
  }
  if (!clientSecret) return publicClient
  return settings.clientAuth === 'client_secret_post'
    ? clientSecretPost(clientSecret)
    : clientSecretBasic(clientSecret)
}
