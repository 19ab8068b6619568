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

/** What an answer of one of Salesforce's OAuth endpoints amounts to: a JSON object, or the right error. */
export interface AnswerReading {
  readonly outcome: OutboundOutcome
  /** Host of the endpoint that was called. */
  readonly host: string
  readonly isSalesforceOwn: (host: string) => boolean
  readonly now: () => number
  /** What was sent in confidence, and must not be shown again. */
  readonly secrets: readonly string[]
  /** What was asked for, and how. Undefined: it is not known. */
  readonly tried: Tried | undefined
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
    // A 429 in unknown words comes from the edge, and not from the grant.
    if (status !== 429 || refusal.reason !== 'unrecognised') throw grantRefused(refusal)
  }
  if (isSalesforceUnavailable(outcome)) throw unavailableError(outcome, now, secrets)
  if (status >= 200 && status < 300 && members !== undefined) return members
  if (status >= 200 && status < 300 && reading.isEmptyGood) return {}
  throw noAnswer(outcome, secrets)
}

/** Whether it is Salesforce that says so, in one of its own forms: a page on the way has a clock of its own. */
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

/** Of a token, an introspection, a device's codes, and the discovery document. */
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

/** `token_response_invalid` with a reason that names no value of the answer. */
export function badAnswer(detail: string, cause?: unknown): BrokerError {
  return new BrokerError('token_response_invalid', detail, cause === undefined ? {} : { cause })
}

/** What a failure on the way means to a caller: whose it is, and what to do there. */
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
        'The host may not be called: it has no public address.',
        { cause, members },
      )
    case 'too_large':
      return badAnswer('Salesforce answered more than 64 KiB.', cause)
    case 'undecodable':
      return badAnswer('Salesforce answered in an encoding that does not decode.', cause)
  }
}

/** Whether waiting is all there is to do: see the table of {@link transientOf}. */
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
  'Wait as long as `Retry-After` says; see status.salesforce.com. If it stays: look at the proxy or filter on the way, and compare `login_url` with the org, which may be gone.'

const WORDS_REMEDY =
  'Act on what Salesforce says, which is an error of its other APIs; compare `login_url` with the org.'

/** An answer that is not of the kind that was asked for (it has `lack`), with what it says in another form of Salesforce's. */
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

/** The printable words of an error, as the end of a sentence and as a member of the problem, and what is known of them. Nothing of an answer that is a success. */
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

/** A redirect is never followed; one from a My Domain to another tells of a rename. */
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
      return `Salesforce answered nothing, with status ${status}`
    case 'page':
      return `Salesforce answered a page, with status ${status}`
    default:
      return `Salesforce answered with status ${status} and ${lack}`
  }
}

/** JSON, or the other forms that some errors come in. */
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

/** The token endpoint answers in XML where something on the way asks for that. */
function oauthXml(text: string): JsonObject | undefined {
  const error = elementIn(text, ['error'])
  const description = elementIn(text, ['error_description'])
  if (error === undefined) return undefined
  return { error, ...(description !== undefined && { error_description: description }) }
}

/** RFC 9110, section 10.2.3: seconds, or a date. At most an hour is believed. */
function retryAfterOf(value: string | undefined, now: () => number): number | undefined {
  if (value === undefined) return undefined
  const ms = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - now()
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : undefined
}

const UNKNOWN_PLACE = { detail: 'Salesforce cannot be reached.', remedy: undefined }
