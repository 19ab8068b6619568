import type { Answer } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import type { EndpointName } from '../faults.ts'
import type { World } from '../world.ts'
import { answerAuthorize } from './authorize.ts'
import { answerConnect } from './connect.ts'
import { answerCredentials } from './credentials-api.ts'
import { answerDataCloudApi, answerDataCloudToken } from './data-cloud.ts'
import { answerDiscovery, answerKeys } from './discovery.ts'
import { answerIdentity, answerUserinfo } from './identity.ts'
import { answerIntrospect } from './introspect.ts'
import { answerMetadata } from './metadata-api.ts'
import { answerRest } from './rest-api.ts'
import { answerRevoke } from './revoke.ts'
import { answerSoap } from './soap-api.ts'
import { answerToken } from './token.ts'

/** An endpoint of Salesforce. To add one, write its file and list it here. */
export interface Endpoint {
  readonly name: EndpointName
  readonly path: RegExp
  readonly answer: (exchange: Exchange, world: World) => Answer | Promise<Answer>
}

export const ENDPOINTS: readonly Endpoint[] = [
  { name: 'token', path: /^(?:\/[\w-]+)?\/services\/oauth2\/token$/, answer: answerToken },
  {
    name: 'introspect',
    path: /^(?:\/[\w-]+)?\/services\/oauth2\/introspect$/,
    answer: answerIntrospect,
  },
  { name: 'revoke', path: /^(?:\/[\w-]+)?\/services\/oauth2\/revoke$/, answer: answerRevoke },
  {
    name: 'authorize',
    path: /^(?:\/[\w-]+)?\/services\/oauth2\/authorize$/,
    answer: answerAuthorize,
  },
  { name: 'connect', path: /^\/setup\/connect$/, answer: answerConnect },
  { name: 'userinfo', path: /^(?:\/[\w-]+)?\/services\/oauth2\/userinfo$/, answer: answerUserinfo },
  { name: 'keys', path: /^\/id\/keys$/, answer: answerKeys },
  { name: 'identity', path: /^\/id\/\w+\/\w+$/, answer: answerIdentity },
  {
    name: 'discovery',
    path: /^\/\.well-known\/(?:openid-configuration|oauth-authorization-server)$/,
    answer: answerDiscovery,
  },
  { name: 'data_cloud', path: /^\/services\/a360\/token$/, answer: answerDataCloudToken },
  { name: 'data_cloud', path: /^\/api\/v1\/metadata$/, answer: answerDataCloudApi },
  { name: 'metadata', path: /^\/services\/data\/v\d{2}\.0\/metadata\//, answer: answerMetadata },
  {
    name: 'credentials',
    path: /^\/services\/data\/v\d{2}\.0\/apps\/oauth\//,
    answer: answerCredentials,
  },
  {
    name: 'soap',
    path: /^\/services\/Soap\/[uc]\/\d{2}\.0(?:\/\w{15}(?:\/\w+)?)?$/,
    answer: answerSoap,
  },
  { name: 'rest', path: /^(?:\/[\w-]+)?\/services\/data(?:\/|$)/, answer: answerRest },
]
