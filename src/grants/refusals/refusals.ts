import { BrokerError, PROBLEMS } from '../../errors/errors.ts'
import { isAbout, type Tried } from '../token-endpoint/tried.ts'
import { printable } from './printable.ts'
import type { Explanation, RefusalRow } from './refusal-row.ts'
import { MISFIT, REFUSALS, type RefusalReason } from './refusal-table.ts'

/** An error answer of Salesforce, classified. */
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

export type RefusalClass = 'transient' | 'permanent' | 'wait' | 'propagating'

export interface ErrorAnswer {
  readonly error: string
  readonly errorDescription?: string
  /** What was asked for, and how. Default: nothing is known of it. */
  readonly tried?: Tried
  /** What was sent and must not come back in a text: exact strings. */
  readonly secrets?: readonly string[]
}

const LONGEST_ERROR = 100
const LONGEST_DESCRIPTION = 300

/** When another try makes sense, by class; undefined where somebody must act first. */
const RETRY_AFTER_MS: Readonly<Record<RefusalClass, number | undefined>> = {
  transient: 5_000,
  permanent: undefined,
  wait: 3_600_000,
  propagating: 30_000,
}

/** Finds the row: by the description first, else by the error alone. Never throws. */
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

/** The words of a reason for those who tried this, and for nobody else. */
export function explanationOf(reason: RefusalReason, tried: Tried | undefined): Explanation {
  const { cause, remedy, setupPath, of, particulars = [] } = refusalRow(reason)
  if (tried === undefined) return { cause, remedy, setupPath }
  if (of && !of.some((requests) => isAbout(requests, tried))) return MISFIT
  const fitting = particulars.filter((one) => one.of.some((requests) => isAbout(requests, tried)))
  return sideBySide(fitting) ?? { cause, remedy, setupPath }
}

/** One as it is, several as a numbered list. Undefined: there is none. */
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

/** The row of a reason, with its flags. */
export function refusalRow(reason: RefusalReason): RefusalRow {
  return REFUSALS[reason]
}

/** The problem for a refusal: 424 where somebody must act, 503 with `Retry-After` where waiting helps. */
export function grantRefused(refusal: Refusal): BrokerError {
  const retryAfterMs = RETRY_AFTER_MS[refusal.class]
  return new BrokerError('grant_refused', refusal.cause, {
    members: { refusal: refusalMember(refusal) },
    remedy: remedyIn(refusal),
    ...(retryAfterMs === undefined ? {} : { status: 503, retryAfterMs }),
  })
}

/** How long a change in Setup takes to reach all of Salesforce's servers, at most. */
export const SPREADING_MINUTES = 10

/** The same refusal, where a change that spreads explains it: it is tried again by itself. */
export function spreading(refusal: Refusal): Refusal {
  if (refusal.class === 'propagating') return refusal
  return {
    ...refusal,
    class: 'propagating',
    remedy: `Wait up to ${SPREADING_MINUTES} minutes: so long a change may take to reach all of Salesforce's servers, and this is tried again by itself meanwhile. If it is refused even then: ${refusal.remedy}`,
  }
}

/** What to do, and where. */
export const remedyIn = ({ remedy, setupPath }: Pick<Refusal, 'remedy' | 'setupPath'>): string =>
  setupPath === null ? remedy : `${remedy} In Salesforce: ${setupPath}.`

/** The same problem for those whose token is made of another integration's: not theirs to retry, to remember or to cure. */
export function refusedAtSource(error: BrokerError, source: string): BrokerError {
  const { code, detail, status, retryAfterMs, members, remedy } = error
  return new BrokerError(code, `At the integration whose token it exchanges: ${detail}`, {
    cause: error,
    status,
    members: { ...members, source },
    // It is the other one that has to be mended.
    remedy:
      `At the integration whose token it exchanges: ${remedy ?? PROBLEMS[code].remedy}`.replaceAll(
        '{name}',
        'NAME',
      ),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** Whether it went wrong at the source of a token, which is not the host that was to exchange it. */
export const isAtSource = (error: unknown): boolean =>
  error instanceof BrokerError && error.members.source !== undefined

/** The refusal that an error carries, or undefined. What was refused at the source of a token is no refusal of the exchange. */
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
