/** The `userInfo` of a login: its elements in the order of the WSDL, and their values where Salesforce does not tell. Pure. */
import { escapedXml } from '../../setup/xml.ts'
import type { Lease } from '../../tokens/serve/lease.ts'
import { longIdentityOf, NO_LONG_ID } from '../../tokens/serve/lease-identity.ts'
import { majorOf, type SoapApi } from './soap-address.ts'
import { childOf, type ParsedElement } from './xml.ts'

/** Null: the element is nil. */
export type UserInfo = Readonly<Record<UserInfoElement, string | null>>

interface ElementRow {
  readonly form: RegExp
  /** Where Salesforce does not tell: what new orgs and users have, or nothing. */
  readonly otherwise: string | null
  /** The first API version whose WSDL has it. Default: all that Salesforce supports. */
  readonly since?: number
}

const FLAG = /^(?:true|false)$/
const NUMBER = /^\d{1,10}$/
const ID = /^[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?$/
const TEXT = /^[^\p{Cc}]{0,1000}$/u

/**
 * Clients stop at an element that is unknown or not in this order. The order is that of the WSDLs
 * 31 to 65 (the classes of force-partner-api). `sessionSecondsValid` is written with each answer.
 */
const ELEMENTS = {
  accessibilityMode: { form: FLAG, otherwise: 'false' },
  chatterExternal: { form: FLAG, otherwise: 'false', since: 40 },
  currencySymbol: { form: TEXT, otherwise: null },
  orgAttachmentFileSizeLimit: { form: NUMBER, otherwise: '5242880' },
  orgDefaultCurrencyIsoCode: { form: TEXT, otherwise: null },
  orgDefaultCurrencyLocale: { form: TEXT, otherwise: null, since: 38 },
  orgDisallowHtmlAttachments: { form: FLAG, otherwise: 'false' },
  orgHasPersonAccounts: { form: FLAG, otherwise: 'false' },
  organizationId: { form: ID, otherwise: '' },
  organizationMultiCurrency: { form: FLAG, otherwise: 'false' },
  organizationName: { form: TEXT, otherwise: '' },
  profileId: { form: ID, otherwise: NO_LONG_ID },
  roleId: { form: ID, otherwise: null },
  sessionSecondsValid: { form: NUMBER, otherwise: '' },
  userDefaultCurrencyIsoCode: { form: TEXT, otherwise: null },
  userEmail: { form: TEXT, otherwise: '' },
  userFullName: { form: TEXT, otherwise: '' },
  userId: { form: ID, otherwise: '' },
  userLanguage: { form: TEXT, otherwise: 'en_US' },
  userLocale: { form: TEXT, otherwise: 'en_US' },
  userName: { form: TEXT, otherwise: '' },
  userTimeZone: { form: TEXT, otherwise: 'GMT' },
  userType: { form: TEXT, otherwise: 'Standard' },
  userUiSkin: { form: TEXT, otherwise: 'Theme3' },
} as const satisfies Record<string, ElementRow>

type UserInfoElement = keyof typeof ELEMENTS

const ROWS = Object.entries(ELEMENTS) as readonly [UserInfoElement, ElementRow][]

/** What is known without a call to Salesforce. */
export function defaultUserInfo(lease: Lease): UserInfo {
  const { orgId, userId } = longIdentityOf(lease)
  const defaults = ROWS.map(([name, { otherwise }]) => [name, otherwise])
  return { ...Object.fromEntries(defaults), organizationId: orgId, userId } as UserInfo
}

/** The values of an answer of `getUserInfo`. What it lacks, or has in another form, is as without a call. */
export function userInfoIn(result: ParsedElement, lease: Lease): UserInfo {
  const defaults = defaultUserInfo(lease)
  const values = ROWS.map(([name, { form, otherwise }]) => {
    const text = childOf(result, name)?.text.trim()
    if (text === undefined || (text === '' && otherwise === null)) return [name, defaults[name]]
    return [name, form.test(text) ? text : defaults[name]]
  })
  const { orgId, userId } = lease
  return {
    ...(Object.fromEntries(values) as UserInfo),
    // The identity of the lease is compared with its pin.
    ...(orgId !== undefined && { organizationId: defaults.organizationId }),
    ...(userId !== undefined && { userId: defaults.userId }),
  }
}

/** The elements before the seconds that the session is valid, and those after. */
export function userInfoXml(
  info: UserInfo,
  api: SoapApi,
): readonly [before: string, after: string] {
  const names = ROWS.filter(([, { since = 0 }]) => majorOf(api) >= since).map(([name]) => name)
  const split = names.indexOf('sessionSecondsValid')
  const xmlOf = (some: readonly UserInfoElement[]) =>
    some.map((name) => elementXml(name, info[name])).join('')
  return [xmlOf(names.slice(0, split)), xmlOf(names.slice(split + 1))]
}

const elementXml = (name: string, value: string | null): string =>
  value === null ? `<${name} xsi:nil="true"/>` : `<${name}>${escapedXml(value)}</${name}>`
