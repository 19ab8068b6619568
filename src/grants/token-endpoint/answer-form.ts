/** Recognises the form of an answer: one of Salesforce's own forms, or a page of another server. */
import type { OutboundAnswer } from '../../http/outbound/outbound.ts'
import { printable } from '../refusals/printable.ts'

export type AnswerForm = 'json' | 'form' | 'xml' | 'page' | 'empty' | 'other'

type Answer = Pick<OutboundAnswer, 'headers' | 'body'>

const PAGE_TYPE = /^\s*(?:text\/html|application\/xhtml\+xml)/i
const FORM_TYPE = /^\s*application\/x-www-form-urlencoded/i
const ERROR_FORM = /^error=[\w.+%-]+(?:&|$)/
/** Root elements of Salesforce's own XML: REST, OAuth, SOAP, Bulk. */
const OWN_XML = /^<(?:Errors|Error|OAuth|error|(?:\w+:)?Envelope)[\s>/]/
const DECLARATION = /^<\?xml[^>]{0,200}\?>\s*/i
const LOOKED_AT = 1_024

/** Uses the content type and the start of the body, because maintenance pages may come as plain text. */
export function formOf(answer: Answer): AnswerForm {
  const type = answer.headers['content-type'] ?? ''
  const text = textOf(answer)
  if (PAGE_TYPE.test(type)) return 'page'
  if (text.trim() === '') return 'empty'
  const start = text.slice(0, LOOKED_AT).trimStart().replace(DECLARATION, '')
  if (start.startsWith('<')) return OWN_XML.test(start) ? 'xml' : 'page'
  if (FORM_TYPE.test(type) || ERROR_FORM.test(text)) return 'form'
  return jsonOf(answer) === undefined ? 'other' : 'json'
}

/** What was read of a body. Several readers ask for it, in turn. */
const read = new WeakMap<Buffer, { readonly text: string; readonly json: unknown }>()

/** Undefined if the body is not JSON. Nobody changes it. */
export const jsonOf = ({ body }: Pick<Answer, 'body'>): unknown => readOnce(body).json

/** Without a byte order mark. */
export const textOf = ({ body }: Pick<Answer, 'body'>): string => readOnce(body).text

function readOnce(body: Buffer): { readonly text: string; readonly json: unknown } {
  const known = read.get(body)
  if (known) return known
  const text = body.toString('utf8').replace(/^\uFEFF/, '')
  const found = { text, json: parsed(text) }
  read.set(body, found)
  return found
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    // The caller reports an answer that is not JSON.
    return undefined
  }
}

/** An error in the form of Salesforce's other APIs. */
interface SalesforceWords {
  /** For example `API_DISABLED_FOR_ORG`. */
  readonly errorCode: string
  readonly message: string
}

const CODE = /^[A-Za-z][\w:.-]{0,99}$/
const LONGEST_MESSAGE = 300
/** Element names of REST, Bulk and SOAP. */
const CODE_ELEMENTS = ['errorCode', 'exceptionCode', 'faultcode']
const MESSAGE_ELEMENTS = ['message', 'exceptionMessage', 'faultstring']

/** Code and text of an error in the form of REST (JSON or XML), Bulk or SOAP. Printable and without secrets. */
export function wordsIn(answer: Answer, secrets: readonly string[]): SalesforceWords | undefined {
  const found = formOf(answer) === 'xml' ? xmlWords(textOf(answer)) : jsonWords(jsonOf(answer))
  if (found === undefined || !CODE.test(found.errorCode)) return undefined
  const { errorCode, message } = found
  return { errorCode, message: printable(message, secrets, LONGEST_MESSAGE) }
}

function jsonWords(value: unknown): SalesforceWords | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value
  if (typeof first !== 'object' || first === null) return undefined
  const { errorCode, message } = first as Readonly<Record<string, unknown>>
  if (typeof errorCode !== 'string') return undefined
  return { errorCode, message: typeof message === 'string' ? message : '' }
}

function xmlWords(text: string): SalesforceWords | undefined {
  const errorCode = elementIn(text, CODE_ELEMENTS)
  if (errorCode === undefined) return undefined
  return { errorCode, message: elementIn(text, MESSAGE_ELEMENTS) ?? '' }
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
}

/** Text of the first of these elements. Salesforce's errors are flat, so a regular expression is sufficient. */
export function elementIn(text: string, names: readonly string[]): string | undefined {
  const [, , inner] =
    new RegExp(`<(?:\\w+:)?(${names.join('|')})(?:\\s[^>]{0,200})?>([^<]{0,1000})<`).exec(text) ??
    []
  return inner
    ?.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? '')
    .trim()
}
