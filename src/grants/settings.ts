import { Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { CLIENT_AUTH_METHODS, type ClientAuthMethod } from './token-endpoint/client-auth.ts'

/** Members in wire form that several grants share. */
export const ClientId = Type.String({
  minLength: 1,
  maxLength: 256,
  ...TEXT_FORMS.visible,
  description: 'Consumer key of the app. Without it the integration is a draft.',
  examples: ['3MVG9lKcPoNINVBIPJjdw1J9LLM82Hn'],
})

export const IntegrationName = Type.String({
  ...TEXT_FORMS.name,
  description: 'The integration whose token is exchanged. You need `tokens:read` on it.',
  examples: ['billing'],
})

export const ClientAuthMember = Type.Unsafe<ClientAuthMethod>({
  type: 'string',
  enum: [...CLIENT_AUTH_METHODS],
  default: 'client_secret_basic',
  description:
    'How the app proves itself: its secret in the Authorization header or in the body, or an assertion signed with its key.',
  examples: ['client_secret_basic'],
})
