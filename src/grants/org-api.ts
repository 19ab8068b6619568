/** The REST resources of an org: one call with somebody's token, and what its answer says. */
import type { Secret } from '../crypto/secret.ts'
import type { HostRules } from '../http/login-host.ts'
import type {
  Outbound,
  OutboundAnswer,
  OutboundOutcome,
  OutboundRequest,
} from '../http/outbound.ts'
import { printable } from './printable.ts'
import { restRefusalOf } from './rest-refusal.ts'
import {
  failureError,
  invalid,
  isUnavailable,
  redirectError,
  unavailableError,
} from './salesforce-answer.ts'

/** Whose token, and where it is good. */
export interface OrgCaller {
  /** An origin. */
  readonly instanceUrl: string
  readonly accessToken: Secret
  readonly signal: AbortSignal
}

/** `token`: the session is not known (any more), so that another token may help; `request`: no token of this user would change it. */
export interface OrgRefusal {
  readonly ok: false
  readonly refused: 'token' | 'request'
  readonly status: number
  /** Salesforce's own code and words, shortened. */
  readonly reason: string
}

export type OrgAnswer<Value> = { readonly ok: true; readonly value: Value } | OrgRefusal

export interface OrgCall {
  readonly method: NonNullable<OutboundRequest['method']>
  /** With its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface OrgApi {
  /** The JSON of the answer; undefined where it has no body. Throws `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`. */
  call(caller: OrgCaller, call: OrgCall): Promise<OrgAnswer<unknown>>
}

export interface OrgApiDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkInstanceUrl' | 'isSalesforceOwn'>
  readonly now: () => number
  /** What it is called in errors, as in `The Metadata API`. */
  readonly title: string
}

const TEXT_MAX = 300

export function createOrgApi({ outbound, hosts, now, title }: OrgApiDependencies): OrgApi {
  return {
    async call({ instanceUrl, accessToken, signal }, { method, path, headers, body }) {
      const origin = hosts.checkInstanceUrl(instanceUrl)
      if (origin === undefined) {
        throw invalid('The instance_url is not https on a host of Salesforce.')
      }
      const outcome = await outbound.send({
        url: `${origin}${path}`,
        method,
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${accessToken.reveal()}`,
          'user-agent': 'valetkey',
          ...headers,
        },
        ...(body !== undefined && { body }),
        signal,
        repeatable: method === 'GET',
      })
      const { hostname: host } = new URL(origin)
      const secrets = [accessToken.reveal()]
      return read(outcome, { title, host, isSalesforceOwn: hosts.isSalesforceOwn, now, secrets })
    },
  }
}

interface Reading {
  readonly title: string
  readonly host: string
  readonly isSalesforceOwn: (host: string) => boolean
  readonly now: () => number
  /** Must not be shown again. */
  readonly secrets: readonly string[]
}

function read(outcome: OutboundOutcome, reading: Reading): OrgAnswer<unknown> {
  if (!outcome.ok) throw failureError(outcome, reading.host)
  const { status } = outcome
  if (status >= 300 && status < 400) throw redirectError(reading, outcome)
  if (isUnavailable(outcome)) throw unavailableError(outcome, reading.now, reading.secrets)
  const isGood = status >= 200 && status < 300
  if (isGood && outcome.body.length === 0) return { ok: true, value: undefined }
  const value = jsonOf(outcome)
  if (isGood && value !== undefined) return { ok: true, value }
  const [error] = Array.isArray(value) ? value : [value]
  const { errorCode, message } = membersOf(error)
  if (typeof errorCode !== 'string') {
    throw invalid(`${reading.title} answered with status ${status}, and nothing known.`)
  }
  const known = restRefusalOf(outcome, reading.secrets)
  // Another token is no better where this one lives and may not call the API.
  const isToken = status === 401 && known?.verdict !== 'no_api'
  return {
    ok: false,
    refused: isToken ? 'token' : 'request',
    status,
    reason: shown([errorCode, message, ...(isToken ? [] : [known?.cause])], reading.secrets),
  }
}

function jsonOf({ body }: OutboundAnswer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    // Not JSON is an answer too: whoever reads it says that it was none.
    return undefined
  }
}

/** Of a JSON object; none of anything else. */
export const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** For people: the texts among them, shortened, without secrets. */
export const shown = (texts: readonly unknown[], secrets: readonly string[]): string =>
  printable(
    texts.filter((text) => typeof text === 'string' && text !== '').join(': '),
    secrets,
    TEXT_MAX,
  )
