import { type Static, Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { CamelKeys } from '../http/server/casing.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { signAssertion } from './assertion.ts'
import type { Grant } from './grant.ts'
import { ClientId } from './settings.ts'
import { noClientAuth } from './token-endpoint/client-auth.ts'

/** The JWT bearer grant (RFC 7523, section 2.1). A signed assertion names the user to act as. */
const schema = Type.Object(
  {
    type: Type.Literal('jwt_bearer'),
    client_id: Type.Optional(ClientId),
    username: Type.String({
      minLength: 3,
      maxLength: 80,
      ...TEXT_FORMS.username,
      description: 'Username (not email address, not id) of the Salesforce user to act as.',
      examples: ['billing@acme.com'],
    }),
    audience: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        ...TEXT_FORMS.visible,
        description:
          'Audience of the assertion. Default `https://test.salesforce.com` where `login_url` is a sandbox, a scratch org or `test.`, else `https://login.salesforce.com`. Required on a custom domain and in China (`*.my.sfcrmproducts.cn`), where the host does not determine it.',
        examples: ['https://login.salesforce.com'],
      }),
    ),
  },
  {
    additionalProperties: false,
    title: 'JWT bearer',
    description:
      'A signed assertion for a user who is pre-authorized for the app. The credential is a signing key whose certificate is uploaded to the app.',
  },
)

export type JwtBearerSettings = CamelKeys<Static<typeof schema>>

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const SANDBOX_HOST = /^test\.|\.(?:sandbox|scratch)\.my\./

export const jwtBearer: Grant<JwtBearerSettings> = {
  type: 'jwt_bearer',
  schema,
  credentialType: () => 'certificate',
  sendsCredential: () => false,
  subject: ({ username }) => username,
  namesUser: true,
  async request({ loginUrl, settings, clientId, credential, signal }, context) {
    if (credential.type !== 'certificate') {
      throw new BrokerError('credential_required', 'The grant jwt_bearer needs a signing key.')
    }
    const assertion = await signAssertion(
      {
        issuer: clientId,
        subject: settings.username,
        audience: settings.audience ?? defaultAudience(loginUrl),
      },
      credential.privateKey,
      context,
    )
    return context.endpoint.token({
      loginUrl,
      clientId,
      clientAuth: noClientAuth,
      grantType: GRANT_TYPE,
      parameters: { assertion: assertion.reveal() },
      repeatable: true,
      signal,
    })
  },
}

/** Hosts whose kind of org determines the audience. */
const KNOWN_HOST =
  /^(?:login|test)\.salesforce\.com$|\.my\.(?:salesforce\.(?:com|mil)|site\.com)$|^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Whether the settings must state the audience: custom domains and hosts in China do not determine it. */
export const mustStateAudience = (loginUrl: string): boolean =>
  !KNOWN_HOST.test(new URL(loginUrl).hostname)

/** Salesforce accepts the audience of the kind of org at each of its hosts. */
export function defaultAudience(loginUrl: string): string {
  return SANDBOX_HOST.test(new URL(loginUrl).hostname)
    ? 'https://test.salesforce.com'
    : 'https://login.salesforce.com'
}
