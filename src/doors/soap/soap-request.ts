/** Reads what a SOAP client asks of the login host. Pure. */
import { BrokerError } from '../../errors/errors.ts'
import type { TokenForm } from '../../tokens/oauth/oauth-request.ts'
import { childOf, readXml, type XmlFault } from './xml.ts'

export interface SoapRequest {
  /** The name of the element in the body, such as `login`. */
  readonly operation: string
  /** The parameters of `login`, in the form of a password grant. */
  readonly form: TokenForm
  /** Of the header of other operations. */
  readonly sessionId: string | undefined
}

/** Some clients do not escape what they put into the body. A CDATA section needs no escapes. */
const BARE_AMPERSAND = /&(?!#?[\w.-]{1,40};)/g

/** Prefixes, namespaces and unknown headers are ignored. Throws `request_invalid`, with nothing of the body. */
export function readSoapRequest(text: string): SoapRequest {
  const document = text.includes('<![CDATA[') ? text : text.replace(BARE_AMPERSAND, '&amp;')
  const root = readXml(document)
  if (typeof root === 'string') throw unreadable(FAULTS[root])
  if (root.name !== 'Envelope') throw unreadable('The body is no SOAP envelope')
  const [call, second] = childOf(root, 'Body')?.children ?? []
  if (!call || second) throw unreadable('The envelope has no body with exactly one operation')
  const username = childOf(call, 'username')?.text.trim()
  const password = childOf(call, 'password')?.text.trim()
  const header = childOf(childOf(root, 'Header'), 'SessionHeader')
  return {
    operation: call.name,
    form: {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    },
    sessionId: childOf(header, 'sessionId')?.text.trim(),
  }
}

const FAULTS: Readonly<Record<XmlFault, string>> = {
  not_xml: 'The body is not well-formed XML',
  doctype: 'The body has a document type declaration',
  too_complex: 'The body has more elements, attributes or references than a login needs',
}

const unreadable = (what: string) =>
  new BrokerError('request_invalid', what, {
    remedy: 'Send a SOAP 1.1 envelope with one operation, such as login.',
  })
