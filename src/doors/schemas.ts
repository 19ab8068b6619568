/** Requests and answers of the doors, for the description of the API. */
import { Type } from 'typebox'
import { documented } from '../http/openapi/documented.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { LOGIN_GRANTS } from './login-request.ts'
import { SALESFORCE_ERRORS } from './salesforce-error.ts'

export const DoorParams = Type.Object({
  integration: Type.String({ ...documented(TEXT_FORMS.name) }),
})

export const IdentityParams = Type.Object({
  ...DoorParams.properties,
  org: Type.String({ description: 'The id of the org' }),
  user: Type.String({ description: 'The id of the user' }),
})

const text = (description: string) => Type.Optional(Type.String({ description }))

export const LoginForm = Type.Object(
  {
    grant_type: Type.Optional(
      Type.String({
        description: 'How the client proves itself',
        ...documented({ enum: [...LOGIN_GRANTS] }),
      }),
    ),
    client_id: text('Id of the API key; `ID/NAME` also names the integration'),
    client_secret: text('The API key'),
    username: text('`password`: the name of the integration, or `NAME@anything`'),
    password: text('`password`: the API key; up to 40 more characters are ignored'),
    refresh_token: text('`refresh_token`: the API key'),
    assertion: text('jwt-bearer: a JWT of a configured issuer'),
    client_assertion: text('`client_credentials`: a JWT of a configured issuer'),
    client_assertion_type: text('`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`'),
    scope: text('Any; `integration:NAME` names the integration'),
  },
  {
    additionalProperties: true,
    ...documented({ required: ['grant_type'], additionalProperties: { type: 'string' } }),
  },
)

export const LoginToken = Type.Object(
  {
    access_token: Type.String(),
    instance_url: Type.String({ description: 'Where this token is good; no slash at its end' }),
    api_instance_url: Type.Optional(Type.String()),
    id: Type.String({ description: 'The identity URL, with ids of 18 characters' }),
    token_type: Type.Literal('Bearer'),
    issued_at: Type.String({ description: 'Milliseconds since 1970' }),
    signature: Type.String({ description: "Salesforce's, else any text" }),
    scope: Type.Optional(
      Type.String({ description: "As it was asked for, else Salesforce's own" }),
    ),
    expires_in: Type.Integer({ description: 'Seconds left' }),
  },
  { title: 'Login token', description: 'The token, as Salesforce answers it' },
)

export const SalesforceErrorBody = Type.Object(
  {
    error: Type.Unsafe<string>({ type: 'string', enum: [...SALESFORCE_ERRORS] }),
    error_description: Type.String({
      description: 'The code of the problem, what is wrong, and what to do about it',
      examples: [
        'integration_disabled: The integration is disabled. Enable it, or use another one.',
      ],
    }),
  },
  { title: 'Salesforce error', description: 'As the login host of Salesforce answers' },
)

const CLIENT = {
  client_id: LoginForm.properties.client_id,
  client_secret: LoginForm.properties.client_secret,
  client_assertion: LoginForm.properties.client_assertion,
  client_assertion_type: LoginForm.properties.client_assertion_type,
}

const formOf = <Own extends object>(own: Own, required: readonly string[]) =>
  Type.Object(
    { ...own, ...CLIENT },
    {
      additionalProperties: true,
      ...documented({ required: [...required], additionalProperties: { type: 'string' } }),
    },
  )

export const IntrospectForm = formOf(
  {
    token: text('The access token'),
    token_type_hint: text('Any; it is ignored'),
  },
  ['token'],
)

export const UserinfoForm = formOf(
  { access_token: text('The access token, where it is not in `Authorization`') },
  [],
)

export const RevokeForm = formOf({ token: text('The access token') }, [])

export const RevocationQuery = Type.Object(
  { token: text('The access token. It is not logged') },
  { additionalProperties: true },
)

export const NotRevoked = Type.Unsafe<null>({
  type: 'null',
  description: 'Nothing was revoked. There is no body',
})

export const IntrospectedToken = Type.Object(
  {
    active: Type.Boolean({
      description: 'Whether it is the current token of an integration that the caller may read',
    }),
    token_type: Type.Optional(
      Type.Unsafe<'Bearer' | 'DPoP'>({
        ...{ type: 'string', enum: ['Bearer', 'DPoP'] },
        description: '`DPoP` (experimental): it works only with proofs of the key in `cnf`',
      }),
    ),
    cnf: Type.Optional(
      Type.Object(
        { jkt: Type.String({ description: 'RFC 7638 thumbprint' }) },
        { description: 'RFC 9449, section 6.2' },
      ),
    ),
    scope: text("Salesforce's"),
    sub: text('The identity URL'),
    exp: Type.Optional(Type.Integer({ description: 'When it ends, in seconds since 1970' })),
    iat: Type.Optional(Type.Integer({ description: 'When it began' })),
  },
  { title: 'Introspection', description: 'RFC 7662' },
)

const urls = Type.Object(
  Object.fromEntries(
    ['enterprise', 'metadata', 'partner', 'rest', 'sobjects', 'search', 'query'].map((name) => [
      name,
      Type.String(),
    ]),
  ),
  { description: 'URLs of the instance; `{version}` stands for the version of the API' },
)

const ids = {
  user_id: Type.String({ description: '18 characters' }),
  organization_id: Type.String({ description: '18 characters' }),
  urls,
}

export const Userinfo = Type.Object(
  { sub: Type.String({ description: 'The identity URL' }), ...ids },
  { title: 'Userinfo', description: 'What is known of the user' },
)

export const SalesforceIdentity = Type.Object(
  {
    id: Type.String({ description: 'The identity URL' }),
    asserted_user: Type.Literal(true),
    ...ids,
  },
  { title: 'Salesforce identity', description: 'What is known of the user' },
)

const url = Type.String({ format: 'uri' })
const listed = Type.Array(Type.String())

export const AuthorizationServer = Type.Object(
  {
    issuer: url,
    token_endpoint: url,
    token_endpoint_auth_methods_supported: listed,
    token_endpoint_auth_signing_alg_values_supported: listed,
    grant_types_supported: listed,
    response_types_supported: listed,
    introspection_endpoint: url,
    introspection_endpoint_auth_methods_supported: listed,
    introspection_endpoint_auth_signing_alg_values_supported: listed,
    revocation_endpoint: url,
    userinfo_endpoint: url,
  },
  { title: 'Authorization server', description: 'RFC 8414' },
)
