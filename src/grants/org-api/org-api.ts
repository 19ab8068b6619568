/** Calls REST resources of an org with an access token and reads the answers. */
import type { ProvenOutbound } from '../../dpop/proven-outbound.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import type { OutboundAnswer } from '../../http/outbound/outbound.ts'
import { printable } from '../refusals/printable.ts'
import { restRefusalOf } from '../refusals/rest-refusal.ts'
import { jsonOf } from '../token-endpoint/answer-form.ts'
import {
  badAnswer,
  isSalesforceUnavailable,
  redirectError,
  unavailableError,
} from '../token-endpoint/salesforce-answer.ts'
import { askOrg, type OrgCall, type OrgCaller } from './org-request.ts'

/** `token`: the session is unknown, so another token may help. `request`: another token of this user would not help. */
export interface OrgRefusal {
  readonly ok: false
  readonly refused: 'token' | 'request'
  readonly status: number
  /** Salesforce's own code and words, shortened. */
  readonly reason: string
}

export type OrgAnswer<Value> = { readonly ok: true; readonly value: Value } | OrgRefusal

export interface OrgApiDependencies {
  readonly outbound: ProvenOutbound
  readonly hosts: Pick<HostRules, 'checkInstanceUrl' | 'isSalesforceOwn'>
  readonly now: () => number
  /** Name of the API in errors, for example `The Metadata API`. */
  readonly title: string
}

const TEXT_MAX = 300

export function createOrgApi({ outbound, hosts, now, title }: OrgApiDependencies) {
  return {
    /**
     * Returns the JSON of the answer, or undefined if it has no body. Throws
     * `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`.
     */
    async call(caller: OrgCaller, call: OrgCall): Promise<OrgAnswer<unknown>> {
      const { answer, host, secrets } = await askOrg(caller, call, { outbound, hosts })
      return read(answer, { title, host, isSalesforceOwn: hosts.isSalesforceOwn, now, secrets })
    },
  }
}

interface Reading {
  readonly title: string
  readonly host: string
  readonly isSalesforceOwn: (host: string) => boolean
  readonly now: () => number
  /** Texts that must not appear in errors. */
  readonly secrets: readonly string[]
}

function read(outcome: OutboundAnswer, reading: Reading): OrgAnswer<unknown> {
  const { status } = outcome
  if (status >= 300 && status < 400) throw redirectError(reading, outcome)
  if (isSalesforceUnavailable(outcome))
    throw unavailableError(outcome, reading.now, reading.secrets)
  const isGood = status >= 200 && status < 300
  if (isGood && outcome.body.length === 0) return { ok: true, value: undefined }
  const value = jsonOf(outcome)
  if (isGood && value !== undefined) return { ok: true, value }
  const [error] = Array.isArray(value) ? value : [value]
  const { errorCode, message } = membersOf(error)
  if (typeof errorCode !== 'string') {
    throw badAnswer(`${reading.title} answered with status ${status} and no known error.`)
  }
  const known = restRefusalOf(outcome, reading.secrets)
  // Another token does not help if the session is valid but may not call the API.
  const isToken = status === 401 && known?.verdict !== 'no_api'
  return {
    ok: false,
    refused: isToken ? 'token' : 'request',
    status,
    reason: shown([errorCode, message, ...(isToken ? [] : [known?.cause])], reading.secrets),
  }
}

/** Members of a JSON object; none for any other value. */
export const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** Shortens the strings among these values and removes secrets. */
export const shown = (texts: readonly unknown[], secrets: readonly string[]): string =>
  printable(
    texts.filter((text) => typeof text === 'string' && text !== '').join(': '),
    secrets,
    TEXT_MAX,
  )
