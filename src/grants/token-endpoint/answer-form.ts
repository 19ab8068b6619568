/** In which form an answer comes, whoever gave it: Salesforce's own forms, or a page of something else. Pure. */
import type { OutboundAnswer } from '../../http/outbound/outbound.ts'
import { printable } from '../refusals/printable.ts'

export type AnswerForm = 'json' | 'form' | 'xml' | 'page' | 'empty' | 'other'

type Answer = Pick<OutboundAnswer, 'headers' | 'body'>

const PAGE_TYPE = /^\s*(?:text\/html|application\/xhtml\+xml)/i
const FORM_TYPE = /^\s*application\/x-www-form-urlencoded/i
const ERROR_FORM = /^error=[\w.+%-]+(?:&|$)/
/** The elements that Salesforce's own XML begins with: REST, OAuth, SOAP, Bulk. */
const OWN_XML = /^<(?:Errors|Error|OAuth|error|(?:\w+:)?Envelope)[\s>/]/
const DECLARATION = /^<\?xml[^>]{0,200}\?>\s*/i
/** Of the body: enough to tell. */
const LOOKED_AT = 1_024

/** By the type that it names and by how its body begins: maintenance pages come as plain text, too. */
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

/** Undefined: it is no JSON. */
export function jsonOf(answer: Pick<Answer, 'body'>): unknown {
  try {
    const value: unknown = JSON.parse(textOf(answer))
    return value
  } catch {
    // Not JSON is an answer too: whoever reads it says that it was none.
    return undefined
  }
}

/** Without a byte order mark. */
export const textOf = ({ body }: Pick<Answer, 'body'>): string =>
  body.toString('utf8').replace(/^\uFEFF/, '')

/** What Salesforce says in the forms of its other APIs. */
export interface SalesforceWords {
  /** Like `API_DISABLED_FOR_ORG`. */
  readonly errorCode: string
  readonly message: string
}

const CODE = /^[A-Za-z][\w:.-]{0,99}$/
const LONGEST_MESSAGE = 300
/** Elements of REST, Bulk and SOAP. */
const CODE_ELEMENTS = ['errorCode', 'exceptionCode', 'faultcode']
const MESSAGE_ELEMENTS = ['message', 'exceptionMessage', 'faultstring']

/** The code and the words of an error in the form of the REST API (JSON or XML), of Bulk or SOAP. They are printable, and repeat no secret. */
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

/** The text of the first of these elements. Salesforce's errors are flat, so that no parser is needed for them. */
export function elementIn(text: string, names: readonly string[]): string | undefined {
  const [, , inner] =
    new RegExp(`<(?:\\w+:)?(${names.join('|')})(?:\\s[^>]{0,200})?>([^<]{0,1000})<`).exec(text) ??
    []
  return inner
    ?.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? '')
    .trim()
}
