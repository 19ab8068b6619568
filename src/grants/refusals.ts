import { BrokerError } from '../errors.ts'
import { REFUSALS, type RefusalReason, type RefusalRow } from './refusal-table.ts'

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
  const { class: kind, cause, remedy, setupPath } = refusalRow(reason)
  const { errorDescription, secrets = [] } = answer
  return {
    error: printable(answer.error, secrets, LONGEST_ERROR),
    ...(errorDescription === undefined
      ? {}
      : { errorDescription: printable(errorDescription, secrets, LONGEST_DESCRIPTION) }),
    reason,
    class: kind,
    cause,
    remedy,
    setupPath,
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
    ...(remedy !== undefined && { remedy }),
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

/** What looks like a token of Salesforce, or a JWT. */
const TOKENS = /eyJ[\w-]{5,}(?:\.[\w-]*)*|00D\w{12,15}![^\s"'<>]*|5Aep861[\w.]*/g

/**
 * Makes a foreign text fit to be shown: no control or invisible characters, nothing that we sent in
 * confidence, nothing that looks like a token. Secrets go first, before cutting could leave half of one.
 */
export function printable(text: string, secrets: readonly string[], longest: number): string {
  const masked = secrets
    .filter((secret) => secret.length > 3)
    .reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text)
    .replace(TOKENS, '[secret]')
  const cleaned = masked.replace(/[\s\p{C}]+/gu, ' ').trim()
  return [...cleaned].slice(0, longest).join('')
}
