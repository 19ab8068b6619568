/** Requests and answers of the doors, for the description of the API. */
import { Type } from 'typebox'
import { documented } from '../http/openapi/documented.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { LOGIN_GRANTS } from './login-request.ts'
import { SALESFORCE_ERRORS } from './salesforce-error.ts'

export const DoorParams = Type.Object({
  integration: Type.String({ ...documented(TEXT_FORMS.name) }),
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
