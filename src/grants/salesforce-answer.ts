import { BrokerError } from '../errors.ts'
import type { OutboundAnswer, OutboundFailure, OutboundOutcome } from '../http/outbound.ts'
import { classify, grantRefused } from './refusals.ts'

/** What an answer of one of Salesforce's OAuth endpoints amounts to: a JSON object, or the right error. */
export interface AnswerReading {
  readonly outcome: OutboundOutcome
  /** Host of the endpoint that was called. */
  readonly host: string
  readonly isSalesforceOwn: (host: string) => boolean
  readonly now: () => number
  /** What was sent in confidence, and must not be shown again. */
  readonly secrets: readonly string[]
  /** Whether a success may come without members, as a revocation's does. */
  readonly isEmptyGood: boolean
}

export type JsonObject = Readonly<Record<string, unknown>>

const LONGEST_RETRY_AFTER_MS = 3_600_000

/**
 * The JSON object of a success. Throws `grant_refused`, `token_response_invalid`,
 * `salesforce_unavailable` or `salesforce_timeout` for everything else.
 */
export function readAnswer(reading: AnswerReading): JsonObject {
  const { outcome, now, secrets } = reading
  if (!outcome.ok) throw failureError(outcome)
  const { status } = outcome
  if (status >= 300 && status < 400) throw redirectError(reading, outcome)
  const members = isHtml(outcome) ? undefined : objectOf(outcome)
  const error = members?.error
  if (typeof error === 'string' && error !== '' && status < 500) {
    const text = members?.error_description
    const refusal = classify({
      error,
      ...(typeof text === 'string' && text !== '' ? { errorDescription: text } : {}),
      secrets,
    })
    // A 429 in unknown words comes from the edge, and not from the grant.
    if (status !== 429 || refusal.reason !== 'unrecognised') throw grantRefused(refusal)
  }
  if (isUnavailable(outcome)) throw unavailableError(outcome, now)
  if (status >= 200 && status < 300 && members !== undefined) return members
  if (status >= 200 && status < 300 && reading.isEmptyGood) return {}
  throw invalid(whyNoAnswer(outcome))
}

/** `token_response_invalid` with a reason that names no value of the answer. */
export function invalid(detail: string, cause?: unknown): BrokerError {
  return new BrokerError('token_response_invalid', detail, cause === undefined ? {} : { cause })
}

/** What a failure on the way means to a caller. */
export function failureError(failure: OutboundFailure): BrokerError {
  const { cause } = failure
  switch (failure.reason) {
    case 'timeout':
      return new BrokerError('salesforce_timeout', 'Salesforce did not answer in time.', { cause })
    case 'unreachable':
      return unavailable('Salesforce cannot be reached, or broke off the connection.', cause)
    case 'address_refused':
      return unavailable('The host may not be called: it has no public address.', cause)
    case 'too_large':
      return invalid('Salesforce answered more than 64 KiB.', cause)
    case 'undecodable':
      return invalid('Salesforce answered in an encoding that does not decode.', cause)
  }
}

/** Whether waiting is all there is to do: server errors, 429, and the maintenance page. */
export function isUnavailable(answer: OutboundAnswer): boolean {
  const { status } = answer
  return status >= 500 || status === 429 || (status >= 200 && status < 300 && isHtml(answer))
}

export function unavailableError(answer: OutboundAnswer, now: () => number): BrokerError {
  const { status } = answer
  const retryAfterMs = retryAfterOf(answer.headers['retry-after'], now)
  const detail =
    status < 300
      ? 'Salesforce answered an HTML page: maintenance, or a host that is not a login host.'
      : `Salesforce answered with status ${status}.`
  return new BrokerError(
    'salesforce_unavailable',
    detail,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  )
}

/** A redirect is never followed; one from a My Domain to another tells of a rename. */
export function redirectError(
  { host, isSalesforceOwn }: Pick<AnswerReading, 'host' | 'isSalesforceOwn'>,
  { redirect }: OutboundAnswer,
): BrokerError {
  const target = redirect?.hostname
  const isRename =
    target !== undefined && target !== host && isMyDomain(target) && isSalesforceOwn(target)
  return invalid(
    isRename
      ? `Salesforce redirects to ${target}: the My Domain was renamed; set login_url to its new host.`
      : 'Salesforce answered with a redirect, which is not followed; check login_url.',
  )
}

function isMyDomain(host: string): boolean {
  return /\.my\.salesforce\.(?:com|mil)$/.test(host)
}

function whyNoAnswer(answer: OutboundAnswer): string {
  if (isHtml(answer)) {
    return `Salesforce answered an HTML page with status ${answer.status}: a wrong host, or an org that is gone.`
  }
  if (answer.body.length === 0) return `Salesforce answered nothing, with status ${answer.status}.`
  return `Salesforce answered with status ${answer.status} and no OAuth members in JSON.`
}

function isHtml({ headers, body }: OutboundAnswer): boolean {
  if (/^\s*(?:text\/html|application\/xhtml\+xml)/i.test(headers['content-type'] ?? '')) return true
  return /^[\s\uFEFF]*<(?:!doctype|html|head|body)/i.test(body.toString('utf8', 0, 256))
}

/** JSON, or the form encoding that some errors come in. */
function objectOf({ headers, body }: OutboundAnswer): JsonObject | undefined {
  const text = body.toString('utf8').replace(/^\uFEFF/, '')
  if (/^\s*application\/x-www-form-urlencoded/i.test(headers['content-type'] ?? '')) {
    return Object.fromEntries(new URLSearchParams(text))
  }
  const value = parsed(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as JsonObject
  return /^error=[\w.+%-]+(?:&|$)/.test(text)
    ? Object.fromEntries(new URLSearchParams(text))
    : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON is an answer too: the caller of this service reads that it was none.
    return undefined
  }
}

/** RFC 9110, section 10.2.3: seconds, or a date. At most an hour is believed. */
function retryAfterOf(value: string | undefined, now: () => number): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - now()
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : undefined
}

function unavailable(detail: string, cause: unknown): BrokerError {
  return new BrokerError('salesforce_unavailable', detail, { cause })
}
