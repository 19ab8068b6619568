import { BrokerError } from '../../errors/errors.ts'
import { wordsOf } from '../../http/outbound/hop-words.ts'
import type {
  OutboundAnswer,
  OutboundFailure,
  OutboundOutcome,
} from '../../http/outbound/outbound.ts'
import { classify, grantRefused, remedyIn } from '../refusals/refusals.ts'
import { restRefusalIn, salesforceMember } from '../refusals/rest-refusal.ts'
import { TRANSIENT, transientOf } from '../refusals/transient.ts'
import { elementIn, formOf, jsonOf, textOf, wordsIn } from './answer-form.ts'
import type { Tried } from './tried.ts'

/** Interprets an answer of an OAuth endpoint: a JSON object, or an error. */
interface AnswerReading {
  readonly outcome: OutboundOutcome
  readonly host: string
  readonly isSalesforceOwn: (host: string) => boolean
  readonly now: () => number
  /** Texts that must not appear in errors. */
  readonly secrets: readonly string[]
  /** The grant and the client proof. Undefined: unknown. */
  readonly tried: Tried | undefined
  /** Whether a success may have no members, as for a revocation. */
  readonly isEmptyGood: boolean
}

export type JsonObject = Readonly<Record<string, unknown>>

const LONGEST_RETRY_AFTER_MS = 3_600_000

/**
 * Returns the JSON object of a success. Throws `grant_refused`, `token_response_invalid`,
 * `salesforce_unavailable` or `salesforce_timeout` for everything else.
 */
export function readAnswer(reading: AnswerReading): JsonObject {
  const { outcome, now, secrets, tried } = reading
  if (!outcome.ok) throw failureError(outcome, reading.host)
  const { status } = outcome
  if (status >= 300 && status < 400) throw redirectError(reading, outcome)
  const members = objectOf(outcome)
  const error = members?.error
  if (typeof error === 'string' && error !== '' && status < 500) {
    const text = members?.error_description
    const refusal = classify({
      error,
      ...(typeof text === 'string' && text !== '' ? { errorDescription: text } : {}),
      secrets,
      ...(tried && { tried }),
    })
    // A 429 with an unknown text comes from the network edge, not from the grant.
    if (status !== 429 || refusal.reason !== 'unrecognised') throw grantRefused(refusal)
  }
  if (isSalesforceUnavailable(outcome)) throw unavailableError(outcome, now, secrets)
  if (status >= 200 && status < 300 && members !== undefined) return members
  if (status >= 200 && status < 300 && reading.isEmptyGood) return {}
  throw noAnswer(outcome, secrets)
}

/** Whether the answer has one of Salesforce's own forms. A page of another server has another clock. */
export function isSalesforcesOwn(answer: OutboundAnswer): boolean {
  if (wordsIn(answer, []) !== undefined) return true
  const { error, error_description: text, ...members } = objectOf(answer) ?? {}
  if (typeof error !== 'string') return OWN_MEMBERS.some((name) => members[name] !== undefined)
  const { reason } = classify({
    error,
    ...(typeof text === 'string' && { errorDescription: text }),
  })
  return reason !== 'unrecognised' || OAUTH_ERRORS.has(error.toLowerCase())
}

/** Members of a token, an introspection, device codes and the discovery document. */
const OWN_MEMBERS = ['access_token', 'active', 'device_code', 'token_endpoint']
/** RFC 6749, section 5.2, and RFC 7009, section 2.2.1. */
const OAUTH_ERRORS = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_token',
  'unsupported_token_type',
])

/** Creates `token_response_invalid`. The detail must contain no value of the answer. */
export function badAnswer(detail: string, cause?: unknown): BrokerError {
  return new BrokerError('token_response_invalid', detail, cause === undefined ? {} : { cause })
}

/** Converts a network failure to a problem that names who can fix it. */
export function failureError(failure: OutboundFailure, host: string): BrokerError {
  const { cause, hop } = failure
  const members = hop ? { hop } : {}
  switch (failure.reason) {
    case 'timeout':
    case 'unreachable': {
      const code = failure.reason === 'timeout' ? 'salesforce_timeout' : 'salesforce_unavailable'
      const { detail, remedy } = hop ? wordsOf(hop, host) : UNKNOWN_PLACE
      return new BrokerError(code, detail, { cause, members, ...(remedy && { remedy }) })
    }
    case 'address_refused':
      return new BrokerError(
        'salesforce_unavailable',
        'The host must not be called: it has no public address.',
        { cause, members },
      )
    case 'too_large':
      return badAnswer('The answer of Salesforce exceeds 64 KiB.', cause)
    case 'undecodable':
      return badAnswer('The answer of Salesforce has an encoding that cannot be decoded.', cause)
  }
}

/** Whether waiting is the remedy: see {@link transientOf}. */
export const isSalesforceUnavailable = (answer: OutboundAnswer): boolean =>
  transientOf(answer) !== undefined

export function unavailableError(
  answer: OutboundAnswer,
  now: () => number,
  secrets: readonly string[] = [],
): BrokerError {
  const { status } = answer
  const retryAfterMs = retryAfterOf(answer.headers['retry-after'], now)
  const reason = transientOf(answer) ?? 'server_error'
  const told = toldIn(answer, secrets)
  return new BrokerError(
    'salesforce_unavailable',
    `Salesforce ${TRANSIENT[reason].meaning} (status ${status}${told.text}).`,
    {
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(reason === 'page' && { remedy: PAGE_REMEDY }),
      members: told.members,
    },
  )
}

const PAGE_REMEDY =
  'Wait as long as `Retry-After` says; see status.salesforce.com. If the error persists: check the proxy or filter, and compare `login_url` with the org, which may have been deleted.'

const WORDS_REMEDY =
  'Follow the error text, which comes from another API of Salesforce; compare `login_url` with the org.'

/** Creates the problem for an answer of another form, with its words if it is an error of another API. */
export function noAnswer(
  answer: OutboundAnswer,
  secrets: readonly string[],
  lack = 'no OAuth members',
): BrokerError {
  const { text, members, refusal } = toldIn(answer, secrets)
  const cause = refusal ? ` ${refusal.cause}` : ''
  return new BrokerError('token_response_invalid', `${whyNoAnswer(answer, lack)}${text}.${cause}`, {
    members,
    ...('salesforce' in members && { remedy: refusal ? remedyIn(refusal) : WORDS_REMEDY }),
  })
}

/** Code and text of an error as the end of a sentence, as a member of the problem, and with the known row. Empty for a success. */
function toldIn(answer: OutboundAnswer, secrets: readonly string[]) {
  const words = answer.status < 400 ? undefined : wordsIn(answer, secrets)
  if (!words) return { text: '', members: {} }
  const { errorCode, message } = words
  const said = { status: answer.status, errorCode, message }
  return {
    text: message === '' ? `: ${errorCode}` : `: ${errorCode}: ${message.replace(/[.\s]+$/, '')}`,
    members: { salesforce: salesforceMember(said) },
    refusal: restRefusalIn(said),
  }
}

/** Redirects are never followed. A redirect from one My Domain to another shows that it was renamed. */
export function redirectError(
  { host, isSalesforceOwn }: Pick<AnswerReading, 'host' | 'isSalesforceOwn'>,
  { redirect }: OutboundAnswer,
): BrokerError {
  const target = redirect?.hostname
  const isRename =
    target !== undefined && target !== host && isMyDomain(target) && isSalesforceOwn(target)
  return badAnswer(
    isRename
      ? `Salesforce redirects to ${target}: the My Domain was renamed; set login_url to its new host.`
      : 'Salesforce answered with a redirect, which is not followed; check login_url.',
  )
}

function isMyDomain(host: string): boolean {
  return /\.my\.salesforce\.(?:com|mil)$/.test(host)
}

function whyNoAnswer(answer: OutboundAnswer, lack: string): string {
  const { status } = answer
  switch (formOf(answer)) {
    case 'empty':
      return `Salesforce sent an empty answer with status ${status}`
    case 'page':
      return `Salesforce answered with a page and status ${status}`
    default:
      return `Salesforce answered with status ${status} and ${lack}`
  }
}

function objectOf(answer: OutboundAnswer): JsonObject | undefined {
  switch (formOf(answer)) {
    case 'json': {
      const value = jsonOf(answer)
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
      return isObject ? (value as JsonObject) : undefined
    }
    case 'form':
      return Object.fromEntries(new URLSearchParams(textOf(answer)))
    case 'xml':
      return oauthXml(textOf(answer))
    default:
      return undefined
  }
}

/** The token endpoint answers in XML if something between asks for it. */
function oauthXml(text: string): JsonObject | undefined {
  const error = elementIn(text, ['error'])
  const description = elementIn(text, ['error_description'])
  if (error === undefined) return undefined
  return { error, ...(description !== undefined && { error_description: description }) }
}

/** RFC 9110, section 10.2.3: seconds or a date. At most one hour is accepted. */
function retryAfterOf(value: string | undefined, now: () => number): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - now()
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : undefined
}

const UNKNOWN_PLACE = { detail: 'Salesforce cannot be reached.', remedy: undefined }
