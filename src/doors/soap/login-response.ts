/** The answers to `login` and `logout`, as Salesforce writes them. Of the first one, only the seconds that the session is valid change. */
import { escapedXml } from '../../setup/xml.ts'
import type { Lease } from '../../tokens/serve/lease.ts'
import { NAMESPACES, type SoapApi, serverUrlsOf } from './soap-address.ts'
import { type UserInfo, userInfoXml } from './user-info.ts'

interface Text {
  readonly info: UserInfo
  readonly before: string
  readonly after: string
}

const beginning = ({ kind }: SoapApi) =>
  `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="${NAMESPACES[kind]}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
const END = '</soapenv:Body></soapenv:Envelope>'

/** The answer to `logout`, which has no content. */
export const logoutResponse = (api: SoapApi): string => `${beginning(api)}<logoutResponse/>${END}`

/** Texts of a lease by API, built once for each. */
const texts = new WeakMap<Lease, Map<string, Text>>()
/** Most texts of one lease. */
const TEXTS_MAX = 8

export function loginResponse(lease: Lease, api: SoapApi, info: UserInfo, seconds: number): string {
  const { before, after } = textFor(lease, api, info)
  return `${before}${seconds}${after}`
}

function textFor(lease: Lease, api: SoapApi, info: UserInfo): Text {
  const { kind, version, packages = '' } = api
  const key = `${kind}/${version}/${packages}`
  const ofLease = texts.get(lease) ?? new Map<string, Text>()
  const known = ofLease.get(key)
  // Default values are replaced by Salesforce's.
  if (known?.info === info) return known
  if (ofLease.size >= TEXTS_MAX) ofLease.clear()
  const text = { info, ...written(lease, api, info) }
  ofLease.set(key, text)
  texts.set(lease, ofLease)
  return text
}

/** The elements stand in the order of the WSDL: clients stop at another order. */
function written(lease: Lease, api: SoapApi, info: UserInfo) {
  const { serverUrl, metadataServerUrl } = serverUrlsOf(lease, api, info.organizationId ?? '')
  const [before, after] = userInfoXml(info, api)
  const result = [
    element('metadataServerUrl', metadataServerUrl),
    element('passwordExpired', 'false'),
    element('sandbox', String(isOfSandbox(lease))),
    element('serverUrl', serverUrl),
    element('sessionId', lease.accessToken.reveal()),
    element('userId', info.userId ?? ''),
  ].join('')
  return {
    before: `${beginning(api)}<loginResponse><result>${result}<userInfo>${before}<sessionSecondsValid>`,
    after: `</sessionSecondsValid>${after}</userInfo></result></loginResponse>${END}`,
  }
}

const element = (name: string, text: string) => `<${name}>${escapedXml(text)}</${name}>`

/** The answer of Salesforce tells it by its hosts alone. */
function isOfSandbox({ instanceUrl, issuer }: Lease): boolean {
  return [instanceUrl, issuer].some(
    (url) => url !== undefined && SANDBOX_HOST.test(new URL(url).hostname),
  )
}

/** Former hosts of sandboxes are `cs1.salesforce.com` and so on. */
const SANDBOX_HOST = /^test\.salesforce\.com$|\.(?:sandbox|scratch)\.|--|^cs\d+\./
