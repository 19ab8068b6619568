import { type Static, Type } from 'typebox'
import type { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'
import type { CamelKeys } from '../http/server/casing.ts'
import type { Grant, GrantContext, GrantRequest } from './grant.ts'
import { ClientAuthMember, ClientId } from './settings.ts'
import { publicClient } from './token-endpoint/client-auth.ts'
import { clientAuthFrom } from './token-endpoint/client-auth-method.ts'

/** The refresh token grant (RFC 6749, section 6). The app acts as the user who approved it, until it is disconnected. */
const schema = Type.Object(
  {
    type: Type.Literal('refresh_token'),
    client_id: Type.Optional(ClientId),
    client_auth: Type.Optional(ClientAuthMember),
  },
  {
    additionalProperties: false,
    title: 'Refresh token',
    description:
      'The app acts as the user who approved it. The credential is a refresh token, with the secret of the app if the app requires one. Later refresh tokens are stored with the credential. Each use may replace the refresh token, so none is ever sent twice.',
  },
)

export type RefreshTokenSettings = CamelKeys<Static<typeof schema>>

type Request = GrantRequest<RefreshTokenSettings>

export const refreshToken: Grant<RefreshTokenSettings> = {
  type: 'refresh_token',
  schema,
  presentsRefreshToken: true,
  isCredentialOptional: true,
  credentialType: ({ clientAuth }) =>
    clientAuth === 'private_key_jwt' ? 'certificate' : 'refresh_token',
  sendsCredential: () => true,
  // Only the tokens show which user approved the app.
  subject: () => 'approving_user',
  async request(request, context) {
    const { loginUrl, clientId, signal, onRenewed } = request
    return context.endpoint.token({
      loginUrl,
      clientId,
      clientAuth: await clientAuthFrom(request, context),
      grantType: 'refresh_token',
      parameters: { refresh_token: refreshTokenOf(request).reveal() },
      repeatable: false,
      signal,
      ...(onRenewed && { onRefreshToken: onRenewed }),
    })
  },
  introspect: (request, token, context) =>
    introspection(request, { token, tokenType: 'access_token' }, context),
  introspectRefreshToken: (request, context) =>
    introspection(request, { token: refreshTokenOf(request), tokenType: 'refresh_token' }, context),
}

async function introspection(
  request: Request,
  asked: { readonly token: Secret; readonly tokenType: 'access_token' | 'refresh_token' },
  context: GrantContext,
) {
  const { loginUrl, clientId, signal } = request
  const clientAuth = await clientAuthFrom(request, context)
  if (clientAuth === publicClient) {
    throw new BrokerError('credential_required', 'Introspection needs the secret of the app.')
  }
  return context.endpoint.introspect({ loginUrl, clientId, clientAuth, ...asked, signal })
}

function refreshTokenOf({ credential }: Request): Secret {
  if (credential.type === 'refresh_token' && credential.refreshToken) return credential.refreshToken
  throw new BrokerError('credential_required', 'The grant refresh_token needs a refresh token.')
}
