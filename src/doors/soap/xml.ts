/** Reads small XML documents into elements, within bounds. No DTD, no entities but the five of XML. Pure. */
import { SaxesParser } from 'saxes'

export interface ParsedElement {
  /** Without its namespace prefix. */
  readonly name: string
  /** All character data directly in this element. */
  readonly text: string
  readonly children: readonly ParsedElement[]
}

/** Why a document is not read. Names no part of the document. */
export type XmlFault = 'not_xml' | 'doctype' | 'too_complex'

interface OpenElement {
  readonly name: string
  text: string
  readonly children: OpenElement[]
}

/** Characters that start markup or a reference. */
const MARKUP_MAX = 2_000
const DEPTH_MAX = 24
/** Of all elements together. */
const ATTRIBUTES_MAX = 200
/** Of a name or the value of an attribute. */
const WORD_MAX = 1_024

/** `SaxesParser` looks entities up with inheritance, so a plain object would define `&constructor;`. */
const ENTITIES: Record<string, string> = Object.assign(Object.create(null), {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
})

/** The root element, or the fault. Takes linear time. The caller bounds the length. */
export function readXml(document: string): ParsedElement | XmlFault {
  if (document.includes('<!DOCTYPE')) return 'doctype'
  if (count(document, '<') + count(document, '&') > MARKUP_MAX) return 'too_complex'
  let root: OpenElement | undefined
  const open: OpenElement[] = []
  let attributes = 0
  const addText = (text: string) => {
    const element = open.at(-1)
    if (element) element.text += text
  }
  const parser = new SaxesParser({ position: false })
  parser.ENTITIES = ENTITIES
  parser.on('error', () => {
    throw new Refused('not_xml')
  })
  parser.on('doctype', () => {
    throw new Refused('doctype')
  })
  parser.on('attribute', ({ name, value }) => {
    attributes += 1
    const isLong = name.length > WORD_MAX || value.length > WORD_MAX
    if (attributes > ATTRIBUTES_MAX || isLong) throw new Refused('too_complex')
  })
  parser.on('opentag', ({ name }) => {
    if (open.length === DEPTH_MAX || name.length > WORD_MAX) throw new Refused('too_complex')
    const element: OpenElement = {
      name: name.slice(name.indexOf(':') + 1),
      text: '',
      children: [],
    }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push(element)
  })
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.on('closetag', () => {
    open.pop()
  })
  try {
    parser.write(document).close()
  } catch (error) {
    if (error instanceof Refused) return error.fault
    throw error
  }
  return root ?? 'not_xml'
}

/** Ends the parser at once. */
class Refused extends Error {
  readonly fault: XmlFault
  constructor(fault: XmlFault) {
    super(fault)
    this.fault = fault
  }
}

function count(text: string, character: string): number {
  let found = 0
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) found += 1
  return found
}

/** The first child element of this name. */
export const childOf = (
  element: ParsedElement | undefined,
  name: string,
): ParsedElement | undefined => element?.children.find((child) => child.name === name)
