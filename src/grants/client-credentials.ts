import { type Static, Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { CamelKeys } from '../http/server/casing.ts'
import { signAssertion } from './assertion.ts'
import type { Grant, GrantContext, GrantRequest } from './grant.ts'
import { ClientAuthMember, ClientId } from './settings.ts'
import {
  type ClientAuth,
  clientSecretBasic,
  clientSecretPost,
  privateKeyJwt,
} from './token-endpoint/client-auth.ts'
import { tokenUrl } from './token-endpoint/token-endpoint.ts'

/** The client credentials grant (RFC 6749, section 4.4). The app acts as the run-as user in its policies. */
const schema = Type.Object(
  {
    type: Type.Literal('client_credentials'),
    client_id: Type.Optional(ClientId),
    client_auth: Type.Optional(ClientAuthMember),
  },
  {
    additionalProperties: false,
    title: 'Client credentials',
    description:
      'The app acts as the run-as user of its policies. The credential is its secret, or, for `private_key_jwt`, a signing key. Works on the My Domain host only.',
  },
)

export type ClientCredentialsSettings = CamelKeys<Static<typeof schema>>

type Request = GrantRequest<ClientCredentialsSettings>

export const clientCredentials: Grant<ClientCredentialsSettings> = {
  type: 'client_credentials',
  schema,
  needsMyDomain: true,
  credentialType: (settings) =>
    settings.clientAuth === 'private_key_jwt' ? 'certificate' : 'client_secret',
  sendsCredential: (settings) => settings.clientAuth !== 'private_key_jwt',
  // The app determines the user, and the client id already identifies the app.
  subject: () => 'run_as_user',
  async request(request, context) {
    const { loginUrl, clientId, signal } = request
    return context.endpoint.token({
      loginUrl,
      clientId,
      clientAuth: await clientAuthOf(request, context),
      grantType: 'client_credentials',
      repeatable: true,
      signal,
    })
  },
  async introspect(request, token, context) {
    const { loginUrl, clientId, signal } = request
    return context.endpoint.introspect({
      loginUrl,
      clientId,
      clientAuth: await clientAuthOf(request, context),
      token,
      tokenType: 'access_token',
      signal,
    })
  },
}

async function clientAuthOf(request: Request, context: GrantContext): Promise<ClientAuth> {
  const { settings, credential, clientId, loginUrl } = request
  const { clientAuth = 'client_secret_basic' } = settings
  if (clientAuth === 'private_key_jwt') {
    if (credential.type !== 'certificate') {
      throw new BrokerError('credential_required', 'private_key_jwt needs a signing key.')
    }
    const claims = { issuer: clientId, subject: clientId, audience: tokenUrl(loginUrl) }
    return privateKeyJwt(await signAssertion(claims, credential.privateKey, context))
  }
  if (credential.type !== 'client_secret') {
    throw new BrokerError('credential_required', `${clientAuth} needs a client secret.`)
  }
  return clientAuth === 'client_secret_post'
    ? clientSecretPost(credential.clientSecret)
    : clientSecretBasic(credential.clientSecret)
}
