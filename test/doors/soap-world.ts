/** SOAP logins as clients send them, and what they read of the answer. */
import type { DoorAnswer, DoorRequest } from './world.ts'

export const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/'
export const PARTNER = 'urn:partner.soap.sforce.com'
export const SOAP_PATH = '/login/billing/services/Soap/u/60.0'

export const envelope = (operation: string, header = ''): string =>
  `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="${ENVELOPE}"><soapenv:Header>${header}</soapenv:Header><soapenv:Body>${operation}</soapenv:Body></soapenv:Envelope>`

export const login = (username: string, password: string): string =>
  envelope(
    `<login xmlns="${PARTNER}"><username>${username}</username><password>${password}</password></login>`,
  )

/** A request to the door of `billing`, or to another path. */
export const soap = (body: string | Uint8Array, request: DoorRequest = {}): DoorRequest => ({
  path: SOAP_PATH,
  ...request,
  form: body,
  headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""', ...request.headers },
})

export interface Told {
  readonly status: number
  readonly faultcode: string | undefined
  readonly faultstring: string | undefined
  readonly exceptionCode: string | undefined
}

export const textIn = (xml: string, name: string): string | undefined =>
  new RegExp(`<(?:\\w+:)?${name}(?:\\s[^>]*)?>([^<]*)<`).exec(xml)?.[1]

/** Throws if a fault is not complete. */
export function told({ status, headers, body }: DoorAnswer): Told {
  const faultcode = textIn(body, 'faultcode')
  const isXml = /^text\/xml;charset=UTF-8$/i.test(headers.get('content-type') ?? '')
  const isWhole = /^<\?xml [^>]*\?><soapenv:Envelope .*<\/soapenv:Envelope>$/s.test(body)
  if (!isXml || !isWhole || (status === 500) !== (faultcode !== undefined)) {
    throw new Error(`no SOAP answer: ${status} ${body}`)
  }
  return {
    status,
    faultcode,
    faultstring: textIn(body, 'faultstring'),
    exceptionCode: textIn(body, 'exceptionCode'),
  }
}

/** The names of the elements directly in this one, in order. */
export const elementsIn = (xml: string, name: string): readonly string[] => {
  const [, inner = ''] = new RegExp(`<${name}>(.*)</${name}>`, 's').exec(xml) ?? []
  const names: string[] = []
  let depth = 0
  for (const [, end, element = '', empty] of inner.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
    if (end === '') {
      if (depth === 0) names.push(element)
      if (empty === '') depth += 1
    } else depth -= 1
  }
  return names
}
