/** Writes XML for the Metadata API: elements with text or elements, and no attribute except the namespace. */

export type XmlElement = readonly [name: string, content: string | readonly XmlElement[]]

const NAMESPACE = 'http://soap.sforce.com/2006/04/metadata'

export function xmlDocument(root: string, elements: readonly XmlElement[]): string {
  const lines = elements.flatMap((element) => linesOf(element, '    '))
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<${root} xmlns="${NAMESPACE}">`,
    ...lines,
    `</${root}>`,
    '',
  ].join('\n')
}

export const elementsOf = (
  members: Readonly<Record<string, string | boolean | undefined>>,
): readonly XmlElement[] =>
  Object.entries(members).flatMap(([name, value]): XmlElement[] =>
    value === undefined ? [] : [[name, String(value)]],
  )

function linesOf([name, content]: XmlElement, indent: string): readonly string[] {
  if (typeof content === 'string') return [`${indent}<${name}>${escapedXml(content)}</${name}>`]
  return [
    `${indent}<${name}>`,
    ...content.flatMap((element) => linesOf(element, `${indent}    `)),
    `${indent}</${name}>`,
  ]
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** Content of an element. XML 1.0 cannot represent most control characters, so they are omitted. */
export const escapedXml = (text: string) =>
  text
    .replace(/[^\t\n\r\P{Cc}]/gu, '')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
