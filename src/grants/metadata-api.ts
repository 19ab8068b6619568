/** The Metadata API's REST resources: deploys an archive with somebody's token, and asks how it went. */
import { randomBytes } from 'node:crypto'
import type { Secret } from '../crypto/secret.ts'
import type { HostRules } from '../http/login-host.ts'
import type { Outbound, OutboundAnswer, OutboundOutcome } from '../http/outbound.ts'
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
export interface MetadataCaller {
  /** An origin. */
  readonly instanceUrl: string
  readonly accessToken: Secret
  readonly signal: AbortSignal
}

/** `token`: the session is not known (any more), so that another token may help; `request`: no token of this user would change it. */
export interface MetadataRefusal {
  readonly ok: false
  readonly refused: 'token' | 'request'
  /** Salesforce's own code and words, shortened. */
  readonly reason: string
}

export type MetadataAnswer<Value> = { readonly ok: true; readonly value: Value } | MetadataRefusal

export interface DeployStatus {
  readonly isDone: boolean
  readonly isSuccess: boolean
  /** `Pending`, `InProgress`, `Succeeded`, `Failed`, `Canceled`, …; shortened. */
  readonly status: string
  /** What was wrong, in Salesforce's words, shortened; empty where nothing was. */
  readonly problem: string
}

/** Both throw `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`. */
export interface MetadataApi {
  /** Gives the id of the deployment, which has only begun. */
  deploy(caller: MetadataCaller, archive: Uint8Array): Promise<MetadataAnswer<string>>
  status(caller: MetadataCaller, id: string): Promise<MetadataAnswer<DeployStatus>>
}

export interface MetadataApiDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkInstanceUrl' | 'isSalesforceOwn'>
  readonly now: () => number
}

const PATH = '/services/data/v67.0/metadata/deployRequest'
/** All or nothing; what is wrong with one component is an error, and no test runs. */
const DEPLOY_OPTIONS = {
  allowMissingFiles: false,
  autoUpdatePackage: false,
  checkOnly: false,
  ignoreWarnings: true,
  performRetrieve: false,
  purgeOnDelete: false,
  rollbackOnError: true,
  singlePackage: true,
}
const DEPLOY_ID = /^0Af[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$/
const TEXT_MAX = 300

interface Sent {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export function createMetadataApi({ outbound, hosts, now }: MetadataApiDependencies): MetadataApi {
  const send = async (
    { instanceUrl, accessToken, signal }: MetadataCaller,
    { method, path, headers, body }: Sent,
  ): Promise<MetadataAnswer<unknown>> => {
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
      ...(body && { body }),
      signal,
      repeatable: method === 'GET',
    })
    const { hostname: host } = new URL(origin)
    const secrets = [accessToken.reveal()]
    return read(outcome, { host, isSalesforceOwn: hosts.isSalesforceOwn, now, secrets })
  }

  return {
    async deploy(caller, archive) {
      const { type, body } = multipart(archive)
      const answer = await send(caller, {
        method: 'POST',
        path: PATH,
        headers: { 'content-type': type },
        body,
      })
      if (!answer.ok) return answer
      const { id } = membersOf(answer.value)
      if (typeof id !== 'string' || !DEPLOY_ID.test(id)) {
        throw invalid('The Metadata API answered without the id of the deployment.')
      }
      return { ok: true, value: id }
    },
    async status(caller, id) {
      const path = `${PATH}/${encodeURIComponent(id)}?includeDetails=true`
      const answer = await send(caller, { method: 'GET', path })
      if (!answer.ok) return answer
      const result = membersOf(membersOf(answer.value).deployResult)
      if (typeof result.done !== 'boolean' || typeof result.status !== 'string') {
        throw invalid('The Metadata API answered without the state of the deployment.')
      }
      return { ok: true, value: statusOf(result, [caller.accessToken.reveal()]) }
    },
  }
}

/** A part for the options and one for the archive (RFC 7578). */
function multipart(archive: Uint8Array) {
  const boundary = `valetkey-${randomBytes(16).toString('hex')}`
  const head = [
    `--${boundary}`,
    'content-disposition: form-data; name="json"',
    'content-type: application/json',
    '',
    JSON.stringify({ deployOptions: DEPLOY_OPTIONS }),
    `--${boundary}`,
    'content-disposition: form-data; name="file"; filename="deploy.zip"',
    'content-type: application/zip',
    '',
    '',
  ].join('\r\n')
  const body = Buffer.concat([Buffer.from(head), archive, Buffer.from(`\r\n--${boundary}--\r\n`)])
  return { type: `multipart/form-data; boundary=${boundary}`, body }
}

interface Reading {
  readonly host: string
  readonly isSalesforceOwn: (host: string) => boolean
  readonly now: () => number
  /** Must not be shown again. */
  readonly secrets: readonly string[]
}

function read(outcome: OutboundOutcome, reading: Reading): MetadataAnswer<unknown> {
  if (!outcome.ok) throw failureError(outcome, reading.host)
  const { status } = outcome
  if (status >= 300 && status < 400) throw redirectError(reading, outcome)
  if (isUnavailable(outcome)) throw unavailableError(outcome, reading.now, reading.secrets)
  const value = jsonOf(outcome)
  if (status >= 200 && status < 300 && value !== undefined) return { ok: true, value }
  const [error] = Array.isArray(value) ? value : [value]
  const { errorCode, message } = membersOf(error)
  if (typeof errorCode !== 'string') {
    throw invalid(`The Metadata API answered with status ${status}, and nothing known.`)
  }
  const known = restRefusalOf(outcome, reading.secrets)
  // Another token is no better where this one lives and may not call the API.
  const isToken = status === 401 && known?.verdict !== 'no_api'
  return {
    ok: false,
    refused: isToken ? 'token' : 'request',
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

const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

function statusOf(
  result: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
): DeployStatus {
  const { componentFailures } = membersOf(result.details)
  const failures = [componentFailures ?? []].flat().map((failure) => membersOf(failure).problem)
  const problems = [result.errorStatusCode, result.errorMessage, ...failures]
  return {
    isDone: result.done === true,
    isSuccess: result.success === true,
    status: shown([result.status], secrets),
    problem: shown(problems, secrets),
  }
}

const shown = (texts: readonly unknown[], secrets: readonly string[]): string =>
  printable(
    texts.filter((text) => typeof text === 'string' && text !== '').join(': '),
    secrets,
    TEXT_MAX,
  )
