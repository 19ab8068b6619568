import { type Static, Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { CamelKeys } from '../http/server/casing.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { AssetMember, actorParameters } from './asset-token.ts'
import type { Grant, GrantContext, GrantRequest } from './grant.ts'
import { ClientAuthMember, ClientId, IntegrationName } from './settings.ts'
import { clientAuthFrom } from './token-endpoint/client-auth-method.ts'
import { exchanged } from './token-endpoint/exchanged.ts'
import type { TokenAnswer } from './token-endpoint/token-answer.ts'

const TYPE = 'urn:ietf:params:oauth:token-type:'
const SUBJECT_TOKEN_TYPES = ['access_token', 'refresh_token', 'id_token', 'saml2', 'jwt'].map(
  (name) => TYPE + name,
)

/** The token exchange grant (RFC 8693). A token of another issuer names the user, and an Apex handler in the org finds that user. */
const schema = Type.Object(
  {
    type: Type.Literal('token_exchange'),
    client_id: Type.Optional(ClientId),
    client_auth: Type.Optional(ClientAuthMember),
    subject_token: Type.Object(
      {
        integration: Type.Optional(IntegrationName),
        file: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 4_096,
            description:
              'Path of a file that holds the token, read at each mint: a projected token of Kubernetes, for instance. Allowed only in the configuration file.',
          }),
        ),
      },
      {
        additionalProperties: false,
        minProperties: 1,
        maxProperties: 1,
        description: 'The source of the token to exchange: exactly one of these.',
        examples: [{ integration: 'billing' }],
      },
    ),
    subject_token_type: Type.Optional(
      Type.Unsafe<string>({
        type: 'string',
        enum: SUBJECT_TOKEN_TYPES,
        description: 'Default `…:access_token` of an integration, `…:jwt` of a file.',
        examples: [`${TYPE}jwt`],
      }),
    ),
    token_handler: Type.Optional(
      Type.String({
        ...TEXT_FORMS.api_name,
        description: 'Developer name of the Apex token handler. Default: that of the app.',
        examples: ['PartnerTokenHandler'],
      }),
    ),
    asset: Type.Optional(AssetMember),
  },
  {
    additionalProperties: false,
    title: 'Token exchange',
    description:
      "Exchanges a token of an issuer that the org's token handler knows, or another integration's. The credential is the secret of the app, or a signing key for `private_key_jwt` and for asset tokens, or none if the app requires none. Works on My Domain and site hosts only.",
  },
)

type TokenExchangeSettings = CamelKeys<Static<typeof schema>>

type Request = GrantRequest<TokenExchangeSettings>

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const LONGEST_SUBJECT_TOKEN = 10_000

export const tokenExchange: Grant<TokenExchangeSettings> = {
  type: 'token_exchange',
  schema,
  needsMyDomain: true,
  isCredentialOptional: true,
  credentialType: ({ clientAuth, asset }) =>
    clientAuth === 'private_key_jwt' || asset !== undefined ? 'certificate' : 'client_secret',
  sendsCredential: ({ clientAuth, asset }) =>
    clientAuth !== 'private_key_jwt' && asset === undefined,
  subject: ({ subjectToken, subjectTokenType, tokenHandler, asset }) =>
    JSON.stringify([subjectToken, subjectTokenType, tokenHandler, asset]),
  opensRestApi: ({ asset }) => asset === undefined,
  sourceOf: ({ subjectToken }) => subjectToken.integration,
  fileOf: ({ subjectToken }) => subjectToken.file,
  async request(request, context) {
    const { integration, file } = request.settings.subjectToken
    const { signal, loginUrl: at } = request
    const { subjectTokens } = context
    if (integration !== undefined) {
      return exchanged({ integration, at, subjectTokens, signal }, ({ accessToken }) =>
        exchange(request, accessToken.reveal(), `${TYPE}access_token`, context),
      )
    }
    const token = await subjectTokens.in(file ?? '')
    return exchange(request, token.reveal(), `${TYPE}jwt`, context)
  },
}

async function exchange(
  request: Request,
  subjectToken: string,
  usualType: string,
  context: GrantContext,
): Promise<TokenAnswer> {
  const { loginUrl, clientId, settings, signal } = request
  const { subjectTokenType = usualType, tokenHandler, asset } = settings
  if (subjectToken.length > LONGEST_SUBJECT_TOKEN) {
    throw new BrokerError(
      'credential_invalid',
      `The token to exchange exceeds ${LONGEST_SUBJECT_TOKEN} characters.`,
    )
  }
  return context.endpoint.token({
    loginUrl,
    clientId,
    clientAuth: await clientAuthFrom(request, context),
    grantType: GRANT_TYPE,
    parameters: {
      subject_token: subjectToken,
      subject_token_type: subjectTokenType,
      ...(tokenHandler !== undefined && { token_handler: tokenHandler }),
      ...(asset && (await actorParameters(asset, request, context))),
    },
    // An asset token has no instance.
    ...(asset && {
      normalise: (answer) => ({ ...answer, instance_url: answer.instance_url ?? loginUrl }),
    }),
    repeatable: true,
    signal,
  })
}
