import { gunzipSync } from 'node:zlib'
import { type Answer, escapeXml } from '../answer.ts'
import { refusalOfProof } from '../dpop.ts'
import type { Exchange } from '../exchange.ts'
import { REST_REFUSALS } from '../rest-refusals.ts'
import { expiresAt } from '../sessions.ts'
import type { World } from '../world.ts'
import { queryRecord, refusalOfSession } from './rest-api.ts'

/** A minimal SOAP API, Partner and Enterprise: `getUserInfo`, `query`, `logout`. `login` is turned off, as in new orgs. */
export function answerSoap(exchange: Exchange, world: World): Answer {
  const [, , , kind = 'u', version = ''] = exchange.path.split('/')
  const api = {
    kind: kind === 'c' ? 'enterprise' : 'partner',
    version: Number.parseInt(version, 10),
  }
  const text = textOf(exchange)
  const operation = /<(?:\w+:)?Body\b[^>]*>\s*<(?:\w+:)?(\w+)/.exec(text)?.[1]
  if (operation === undefined) return fault(api, 'Client', 'Premature end of file')
  if (operation === 'login') return fault(api, 'INVALID_OPERATION', LOGIN_OFF)
  const token = elementIn(text, 'sessionId') ?? ''
  // Salesforce does not know such a session, as if it was over.
  const isUnfit = token.startsWith('eyJ') && api.version < JWT_SINCE
  const session = world.sessions.find(token)
  const call = {
    isProven: session?.jkt !== undefined,
    ...{ token, proof: elementIn(text, 'proof') },
  }
  const ofProof = session && refusalOfProof(session, call, exchange, world)
  if (ofProof !== undefined) return fault(api, 'INVALID_SESSION_ID', NO_SESSION)
  const refusal = isUnfit ? 'session_invalid' : refusalOfSession(token, exchange, world)
  if (refusal !== undefined) {
    const { errorCode, message } = REST_REFUSALS[refusal]
    return fault(api, errorCode, refusal === 'session_invalid' ? NO_SESSION : message)
  }
  switch (operation) {
    case 'getUserInfo':
      return answer(api, operation, `<result>${userInfoOf(token, exchange, world, api)}</result>`)
    case 'query':
      return answer(api, operation, queryResult(text, exchange, world))
    case 'logout':
      world.sessions.end(token)
      return answer(api, operation, '')
    default:
      return fault(api, 'Client', `No operation available for request ${operation}`)
  }
}

interface Api {
  readonly kind: string
  readonly version: number
}

/** The first version that accepts a token in the form of a JWT. */
const JWT_SINCE = 68
/** The Java client logs in again only if it reads `Illegal Session`. */
const NO_SESSION = 'Invalid Session ID found in SessionHeader: Illegal Session'
const LOGIN_OFF =
  'SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login().'

/** The Java client compresses its requests. */
function textOf({ headers, body }: Exchange): string {
  const isPacked = headers['content-encoding'] === 'gzip'
  return (isPacked ? gunzipSync(body) : body).toString('utf8')
}

function elementIn(text: string, name: string): string | undefined {
  const [, inner] = new RegExp(`<(?:\\w+:)?${name}(?:\\s[^>]*)?>([^<]*)<`).exec(text) ?? []
  return inner
    ?.replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
    .trim()
}

/** In the order of the WSDL. Null: the element is nil. */
function userInfoOf(token: string, { identified }: Exchange, world: World, api: Api): string {
  const { orgId = '', userId = '' } = identified()
  const org = world.directory.org(orgId)
  const { username } = world.directory.user(userId)
  const session = world.sessions.find(token)
  const secondsLeft = session === undefined ? 0 : (expiresAt(session) - world.clock.now()) / 1000
  return elements({
    accessibilityMode: false,
    ...(api.version >= 40 && { chatterExternal: false }),
    currencySymbol: '€',
    orgAttachmentFileSizeLimit: 26_214_400,
    orgDefaultCurrencyIsoCode: 'EUR',
    ...(api.version >= 38 && { orgDefaultCurrencyLocale: 'de_DE_EURO' }),
    orgDisallowHtmlAttachments: false,
    orgHasPersonAccounts: true,
    organizationId: org.id,
    organizationMultiCurrency: false,
    organizationName: `Acme & Sons <${org.myDomain}>`,
    profileId: '00e000000000001AAA',
    roleId: null,
    sessionSecondsValid: Math.floor(secondsLeft),
    userDefaultCurrencyIsoCode: null,
    userEmail: username,
    userFullName: 'Integration User',
    userId,
    userLanguage: 'en_US',
    userLocale: 'de_DE',
    userName: username,
    userTimeZone: 'Europe/Berlin',
    userType: 'Standard',
    userUiSkin: 'Theme3',
  })
}

function queryResult(text: string, exchange: Exchange, world: World): string {
  const found = queryRecord(elementIn(text, 'queryString') ?? '', exchange, world)
  const records =
    found === undefined
      ? ''
      : `<records xsi:type="sf:sObject">${elements(
          { type: found.object, Id: found.record.Id ?? null, ...found.record },
          'sf:',
        )}</records>`
  return `<result xsi:type="QueryResult"><done>true</done><queryLocator xsi:nil="true"/>${records}<size>${found === undefined ? 0 : 1}</size></result>`
}

const elements = (values: Readonly<Record<string, unknown>>, prefix = ''): string =>
  Object.entries(values)
    .map(([name, value]) =>
      value === null
        ? `<${prefix}${name} xsi:nil="true"/>`
        : `<${prefix}${name}>${escapeXml(String(value))}</${prefix}${name}>`,
    )
    .join('')

const answer = ({ kind }: Api, operation: string, content: string): Answer =>
  envelope(
    200,
    `xmlns="urn:${kind}.soap.sforce.com" xmlns:sf="urn:sobject.${kind}.soap.sforce.com"`,
    `<${operation}Response>${content}</${operation}Response>`,
  )

/** `Client`: an error of SOAP itself. */
function fault({ kind }: Api, code: string, message: string): Answer {
  const isOfSoap = code === 'Client'
  const detail = `<detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault">${elements({ exceptionCode: code, exceptionMessage: message }, 'sf:')}</sf:UnexpectedErrorFault></detail>`
  const words = isOfSoap ? message : `${code}: ${message}`
  return envelope(
    500,
    `xmlns:sf="urn:fault.${kind}.soap.sforce.com"`,
    `<soapenv:Fault><faultcode>${isOfSoap ? 'soapenv' : 'sf'}:${code}</faultcode><faultstring>${escapeXml(words)}</faultstring>${isOfSoap ? '' : detail}</soapenv:Fault>`,
  )
}

function envelope(status: number, namespaces: string, body: string): Answer {
  return {
    status,
    headers: { 'content-type': 'text/xml;charset=UTF-8' },
    body: `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ${namespaces} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>${body}</soapenv:Body></soapenv:Envelope>`,
  }
}
