/** Sends one call to the REST resources of an org. */
import type { Secret } from '../../crypto/secret.ts'
import type { StoredDpopKey } from '../../dpop/dpop-key.ts'
import type { ProvenOutbound } from '../../dpop/proven-outbound.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import type { OutboundAnswer, OutboundRequest } from '../../http/outbound/outbound.ts'
import { badAnswer, failureError } from '../token-endpoint/salesforce-answer.ts'

/** A token and the instance where it is valid. */
export interface OrgCaller {
  /** An origin, or an origin with the path of a site. */
  readonly instanceUrl: string
  readonly accessToken: Secret
  /** The key that the token is bound to, which signs a proof of the call. Absent: it is a bearer token. */
  readonly dpopKey?: StoredDpopKey | undefined
  readonly signal: AbortSignal
}

export interface OrgCall {
  /** Default: `GET`, which is repeated if a kept connection was closed. */
  readonly method?: NonNullable<OutboundRequest['method']>
  /** Includes the query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

interface OrgRequestDependencies {
  readonly outbound: ProvenOutbound
  readonly hosts: Pick<HostRules, 'checkInstanceUrl'>
}

interface OrgReply {
  readonly answer: OutboundAnswer
  readonly host: string
  /** Texts that must not appear in errors. */
  readonly secrets: readonly string[]
}

/** Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid` if there is no answer. */
export async function askOrg(
  { instanceUrl, accessToken, dpopKey: key, signal }: OrgCaller,
  { method = 'GET', path, headers, body }: OrgCall,
  { outbound, hosts }: OrgRequestDependencies,
): Promise<OrgReply> {
  const base = hosts.checkInstanceUrl(instanceUrl)
  if (base === undefined) throw badAnswer('The instance_url is not https on a host of Salesforce.')
  const request = {
    url: `${base}${path}`,
    method,
    headers: {
      accept: 'application/json',
      authorization: `${key ? 'DPoP' : 'Bearer'} ${accessToken.reveal()}`,
      'user-agent': 'valetkey',
      ...headers,
    },
    ...(body !== undefined && { body }),
    signal,
    repeatable: method === 'GET',
  }
  const outcome = await outbound.send(request, key && { key, accessToken })
  const host = new URL(base).hostname
  if (!outcome.ok) throw failureError(outcome, host)
  return { answer: outcome, host, secrets: [accessToken.reveal()] }
}
