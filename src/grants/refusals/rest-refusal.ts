/** An error of the REST API, told by its `errorCode` and not by its status alone. Pure. */
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

/** What Salesforce said, printable and without secrets. */
export interface RestWords {
  readonly status: number
  /** Empty: none. */
  readonly errorCode: string
  /** Empty: none. At most 300 characters. */
  readonly message: string
}

type Answer = Pick<OutboundAnswer, 'status' | 'headers' | 'body'>

/** Undefined: neither its words nor its status are known. Meant for statuses from 400 on. */
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
  // A code that nobody knows is not explained away by its status, but by one that has one meaning.
  const isEnough = code === '' || said.status === GONE
  const byStatus = rows.find(([, { statuses }]) => isEnough && statuses?.includes(said.status))
  const found = byCode ?? byStatus
  if (!found) return undefined
  const [reason, { verdict, isTransient = false, cause, remedy, setupPath }] = found
  return { reason, verdict, isTransient, cause, remedy, setupPath, said }
}

/** As Salesforce wrote it, as the end of a sentence: code, words and status. */
export function refusalWordsOf({ status, errorCode, message }: RestWords): string {
  const words = [errorCode, message.replace(/[.\s]+$/, '')].filter((one) => one !== '').join(': ')
  return words === '' ? `status ${status}` : `status ${status}: ${words}`
}

/** In wire form: the member `salesforce` of a problem and of a check. */
export const salesforceMember = ({ status, errorCode, message }: RestWords) => ({
  status,
  error_code: errorCode,
  message,
})
