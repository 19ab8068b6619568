import { BrokerError } from '../../errors/errors.ts'
import { PROBLEMS } from '../../errors/problems.ts'
import { isAbout, type Tried } from '../token-endpoint/tried.ts'
import { printable } from './printable.ts'
import type { Explanation, RefusalRow } from './refusal-row.ts'
import { MISFIT, REFUSALS, type RefusalReason } from './refusal-table.ts'

export interface Refusal {
  /** As Salesforce wrote it: printable, no secrets, at most 100 characters. */
  readonly error: string
  /** As Salesforce wrote it: printable, no secrets, at most 300 characters. */
  readonly errorDescription?: string
  readonly reason: RefusalReason
  readonly class: RefusalClass
  readonly cause: string
  readonly remedy: string
  readonly setupPath: string | null
}

type RefusalClass = 'transient' | 'permanent' | 'wait' | 'propagating'

interface ErrorAnswer {
  readonly error: string
  readonly errorDescription?: string
  readonly tried?: Tried
  readonly secrets?: readonly string[]
}

const LONGEST_ERROR = 100
const LONGEST_DESCRIPTION = 300

/** Delay before a retry, by class. Undefined: somebody must act first. */
const RETRY_AFTER_MS: Readonly<Record<RefusalClass, number | undefined>> = {
  transient: 5_000,
  permanent: undefined,
  wait: 3_600_000,
  propagating: 30_000,
}

export function classify(answer: ErrorAnswer): Refusal {
  const reason = reasonOf(answer)
  const { class: kind } = refusalRow(reason)
  const { errorDescription, secrets = [], tried } = answer
  return {
    error: printable(answer.error, secrets, LONGEST_ERROR),
    ...(errorDescription === undefined
      ? {}
      : { errorDescription: printable(errorDescription, secrets, LONGEST_DESCRIPTION) }),
    reason,
    class: kind,
    ...explanationOf(reason, tried),
  }
}

export function explanationOf(reason: RefusalReason, tried: Tried | undefined): Explanation {
  const { cause, remedy, setupPath, of, particulars = [] } = refusalRow(reason)
  if (tried === undefined) return { cause, remedy, setupPath }
  if (of && !of.some((requests) => isAbout(requests, tried))) return MISFIT
  const fitting = particulars.filter((one) => one.of.some((requests) => isAbout(requests, tried)))
  return sideBySide(fitting) ?? { cause, remedy, setupPath }
}

/** Returns one explanation unchanged and several as a numbered list. Undefined: none. */
function sideBySide(all: readonly Explanation[]): Explanation | undefined {
  const [first, ...others] = all
  if (!first) return undefined
  if (others.length === 0) {
    const { cause, remedy, setupPath } = first
    return { cause, remedy, setupPath }
  }
  const numbered = (texts: readonly string[]) =>
    texts.map((text, at) => `(${at + 1}) ${text}`).join(' ')
  const paths = [...new Set(all.map(({ setupPath }) => setupPath))].filter((path) => path !== null)
  return {
    cause: `One of these: ${numbered(all.map(({ cause }) => cause))}`,
    remedy: numbered(all.map(({ remedy }) => remedy)),
    setupPath: paths.length === 0 ? null : paths.join('; '),
  }
}

export function refusalRow(reason: RefusalReason): RefusalRow {
  return REFUSALS[reason]
}

/** Creates the problem for a refusal: 424 if somebody must act, 503 with `Retry-After` if it is temporary. */
export function grantRefused(refusal: Refusal): BrokerError {
  const retryAfterMs = RETRY_AFTER_MS[refusal.class]
  return new BrokerError('grant_refused', refusal.cause, {
    members: { refusal: refusalMember(refusal) },
    remedy: remedyIn(refusal),
    ...(retryAfterMs === undefined ? {} : { status: 503, retryAfterMs }),
  })
}

/** Longest time until a change in Setup reaches all servers of Salesforce. */
export const SPREADING_MINUTES = 10

/** The same refusal, explained by a recent change in Setup. The broker retries it. */
export function spreading(refusal: Refusal): Refusal {
  if (refusal.class === 'propagating') return refusal
  return {
    ...refusal,
    class: 'propagating',
    remedy: `Wait up to ${SPREADING_MINUTES} minutes: a change may take that long to reach all servers of Salesforce, and the broker retries meanwhile. If Salesforce still refuses after that: ${refusal.remedy}`,
  }
}

export const remedyIn = ({ remedy, setupPath }: Pick<Refusal, 'remedy' | 'setupPath'>): string =>
  setupPath === null ? remedy : `${remedy} In Salesforce: ${setupPath}.`

const AT_SOURCE = 'At the integration whose token it exchanges'

/** A remedy of the source, whose name the reader may not know. */
const remedyAtSource = (remedy: string) => `${AT_SOURCE}: ${remedy}`.replaceAll('{name}', 'NAME')

/** The same problem for an integration that exchanges the token of another one. Its callers cannot retry, remember or fix it. If the source itself exchanges a token, the problem does not name that second source. */
export function refusedAtSource(error: BrokerError, source: string): BrokerError {
  const told = isAtSource(error) ? withoutSource(error) : error
  const { code, detail, status, retryAfterMs, members, remedy } = told
  return new BrokerError(code, `${AT_SOURCE}: ${detail}`, {
    cause: error,
    status,
    members: { ...members, source },
    remedy: remedyAtSource(remedy ?? PROBLEMS[code].remedy),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** The same problem of a source, in the words of the table of problems, which name no integration. */
export function withoutSource(error: BrokerError): BrokerError {
  const { code, status, retryAfterMs, isTold } = error
  const { source: _, ...members } = error.members
  return new BrokerError(code, `${AT_SOURCE}: ${PROBLEMS[code].title}`, {
    ...{ cause: error, status, members, isTold },
    remedy: remedyAtSource(PROBLEMS[code].remedy),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** Whether the source of a token failed, not the host that exchanges it. */
export const isAtSource = (error: unknown): boolean =>
  error instanceof BrokerError && error.members.source !== undefined

/** The refusal that an error carries. Undefined for refusals at the source of a token. */
export function refusalOf(error: unknown): Refusal | undefined {
  const members = error instanceof BrokerError ? error.members : {}
  const member = members.source === undefined ? members.refusal : undefined
  if (member === undefined) return undefined
  const { error_description, setup_path, ...same } = member as ReturnType<typeof refusalMember>
  return {
    ...same,
    ...(error_description === undefined ? {} : { errorDescription: error_description }),
    setupPath: setup_path,
  }
}

/** The wire form: the member `refusal` of a problem. */
export function refusalMember(refusal: Refusal) {
  const { errorDescription, setupPath, error, ...same } = refusal
  return {
    error,
    ...(errorDescription === undefined ? {} : { error_description: errorDescription }),
    ...same,
    setup_path: setupPath,
  }
}

function reasonOf({ error, errorDescription }: ErrorAnswer): RefusalReason {
  const text = errorDescription?.toLowerCase() ?? ''
  const code = error.toLowerCase()
  const rows = Object.entries(REFUSALS) as readonly [RefusalReason, RefusalRow][]
  const byText = rows.find(([, row]) => row.texts.some((part) => text.includes(part)))
  const found = byText ?? rows.find(([, row]) => row.errors.includes(code))
  return found?.[0] ?? 'unrecognised'
}
