/** Classifies an error of the REST API by `errorCode`, then by status. */
import type { OutboundAnswer } from '../../http/outbound/outbound.ts'
import { wordsIn } from '../token-endpoint/answer-form.ts'
import {
  REST_REFUSALS,
  type RestReason,
  type RestRefusalRow,
  type RestVerdict,
} from './rest-refusal-table.ts'

export interface RestRefusal {
  readonly reason: RestReason
  readonly verdict: RestVerdict
  readonly isTransient: boolean
  readonly cause: string
  readonly remedy: string
  readonly setupPath: string | null
  readonly said: RestWords
}

/** Printable and without secrets. */
export interface RestWords {
  readonly status: number
  readonly errorCode: string
  /** At most 300 characters. */
  readonly message: string
}

type Answer = Pick<OutboundAnswer, 'status' | 'headers' | 'body'>

/** Undefined if neither code nor status is known. Expects a status of 400 or more. */
export function restRefusalOf(answer: Answer, secrets: readonly string[]): RestRefusal | undefined {
  const { errorCode = '', message = '' } = wordsIn(answer, secrets) ?? {}
  return restRefusalIn({ status: answer.status, errorCode, message })
}

const GONE = 410

export function restRefusalIn(said: RestWords): RestRefusal | undefined {
  const code = said.errorCode.replace(/^\w+:/, '').toLowerCase()
  const text = said.message.toLowerCase()
  const rows = Object.entries(REST_REFUSALS) as readonly [RestReason, RestRefusalRow][]
  const byCode = rows.find(
    ([, { codes, texts }]) =>
      codes.includes(code) && (texts?.some((part) => text.includes(part)) ?? true),
  )
  // An unknown code is classified by its status only if that status has one meaning.
  const isEnough = code === '' || said.status === GONE
  const byStatus = rows.find(([, { statuses }]) => isEnough && statuses?.includes(said.status))
  const found = byCode ?? byStatus
  if (!found) return undefined
  const [reason, { verdict, isTransient = false, cause, remedy, setupPath }] = found
  return { reason, verdict, isTransient, cause, remedy, setupPath, said }
}

/** Code, text and status as the end of a sentence. */
export function refusalWordsOf({ status, errorCode, message }: RestWords): string {
  const words = [errorCode, message.replace(/[.\s]+$/, '')].filter((one) => one !== '').join(': ')
  return words === '' ? `status ${status}` : `status ${status}: ${words}`
}

/** The wire form: the member `salesforce` of a problem and of a check. */
export const salesforceMember = ({ status, errorCode, message }: RestWords) => ({
  status,
  error_code: errorCode,
  message,
})
