import { type Static, Type } from 'typebox'
import type { CamelKeys } from '../http/server/casing.ts'
import type { Grant } from './grant.ts'
import { IntegrationName } from './settings.ts'
import { noClientAuth } from './token-endpoint/client-auth.ts'
import { exchanged } from './token-endpoint/exchanged.ts'
import type { JsonObject } from './token-endpoint/salesforce-answer.ts'

/** Exchanges a token of another integration for a Data Cloud token, at the instance of that token. */
const schema = Type.Object(
  {
    type: Type.Literal('data_cloud'),
    integration: IntegrationName,
    dataspace: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_]{1,80}$',
        $comment: '1 to 80 letters, digits and underscores',
        description: 'Name of the data space. Default: that of the org.',
        examples: ['default'],
      }),
    ),
  },
  {
    additionalProperties: false,
    title: 'Data Cloud',
    description:
      'Exchanges a token of another integration, whose app needs the scope `cdp_api` (and the scopes of the called APIs), for a Data Cloud token. Takes no credential and no `client_id`; `instance_url` in the answer is the host of the tenant.',
  },
)

type DataCloudSettings = CamelKeys<Static<typeof schema>>

const PATH = '/services/a360/token'
const GRANT_TYPE = 'urn:salesforce:grant-type:external:cdp'

export const dataCloud: Grant<DataCloudSettings> = {
  type: 'data_cloud',
  schema,
  hasNoClient: true,
  credentialType: () => 'none',
  sendsCredential: () => false,
  opensRestApi: () => false,
  subject: ({ integration, dataspace }) => JSON.stringify([integration, dataspace ?? null]),
  sourceOf: ({ integration }) => integration,
  exchangesAtInstance: true,
  request({ settings, signal }, { endpoint, subjectTokens }) {
    const { integration, dataspace } = settings
    return exchanged({ integration, at: undefined, subjectTokens, signal }, async (subject) => {
      const { accessToken, instanceUrl, identityUrl, orgId, userId } = subject
      const answer = await endpoint.token({
        loginUrl: instanceUrl,
        path: PATH,
        clientId: integration,
        clientAuth: noClientAuth,
        grantType: GRANT_TYPE,
        parameters: {
          subject_token: accessToken.reveal(),
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          ...(dataspace !== undefined && { dataspace }),
        },
        normalise: withScheme,
        repeatable: true,
        signal,
      })
      // The answer does not name the user, who is the user of the exchanged token.
      return {
        ...answer,
        ...(identityUrl !== undefined && { identityUrl }),
        ...(orgId !== undefined && { orgId }),
        ...(userId !== undefined && { userId }),
      }
    })
  },
}

/** Data Cloud sends its host without a scheme. */
function withScheme(answer: JsonObject): JsonObject {
  const { instance_url: host } = answer
  if (typeof host !== 'string' || host.includes('://')) return answer
  return { ...answer, instance_url: `https://${host}` }
}
