/** Rules for definitions whose members are all well-formed: refuses placeholders, and values that Salesforce never accepts. Pure. */
import { activeOf } from '../credentials/credential.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import type { Intake } from '../credentials/intake.ts'
import { asksForBound } from '../dpop/dpop-rule.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import { mustStateAudience } from '../grants/jwt-bearer.ts'
import { commonLoginHostOf } from '../http/outbound/login-host.ts'
import {
  isPlaceholder,
  isPlaceholderHost,
  isPlaceholderUsername,
  isUnfilled,
  unquoted,
} from '../http/placeholder.ts'
import type { Definition, Integration } from './integration.ts'

type Judged = Pick<Definition, 'loginUrl' | 'grant' | 'certificateDeployment' | 'dpop'> & {
  readonly identity?: Pick<Definition['identity'], 'expect'>
}

/** Throws `request_invalid` for the first rule that a changed member breaks. Members that equal those of `current` are not checked. */
export function checkDefinition(definition: Judged, current?: Judged): void {
  const broken =
    brokenRule(definition, current) ??
    audienceMissingIn(definition, current) ??
    dpopTroubleIn(definition)
  if (broken) throw broken
}

/** The same check, as a question: returns the error. */
export function brokenRule(definition: Judged, current?: Judged): BrokerError | undefined {
  return placeholderIn(definition, current) ?? wrongHostIn(definition, current)
}

/** Throws `request_invalid` if a change makes an automatic rotation of a key that cannot be rotated. Records from before this rule stay valid. */
export function checkRotates(
  intake: Pick<Intake, 'checkRotates'>,
  { certificateDeployment }: Judged,
  current: (Judged & Pick<Integration, 'credentials'>) | undefined,
  fresh: Pick<FreshCredential, 'credential'> | undefined,
): void {
  const days = certificateDeployment?.rotateEveryDays
  if (!fresh && days === current?.certificateDeployment?.rotateEveryDays) return
  intake.checkRotates(fresh?.credential ?? activeOf(current?.credentials ?? []), days)
}

/** What follows `/integrations/` and is no name. Records of these names from before stay. */
const RESERVED: ReadonlySet<string> = new Set(['summary'])

/** Throws `request_invalid` for a new integration with a name that the API uses itself. */
export function checkName(name: string, current: Judged | undefined): void {
  if (current || !RESERVED.has(name)) return
  throw new BrokerError(
    'request_invalid',
    `params/name: ${name} is part of the API, because GET /integrations/${name} answers something else. Choose another name.`,
  )
}

interface Member {
  /** Name of the member in wire form. */
  readonly member: string
  readonly isEmpty: (text: string) => boolean
  readonly remedy: string
}

/** Rules for members of grants, by their name in the code. Members that are not here have the rule {@link OTHER}. */
const GRANT_MEMBERS: Readonly<Record<string, Member>> & { readonly clientId: Member } = {
  clientId: {
    member: 'client_id',
    isEmpty: isPlaceholder,
    remedy:
      'Send the consumer key of the app, which begins with 3MVG9; or leave client_id out until you have it: the integration is a draft so long.',
  },
  username: {
    member: 'username',
    isEmpty: isPlaceholderUsername,
    remedy: 'Send the username of the Salesforce user to act as: Setup → Users.',
  },
  audience: {
    member: 'audience',
    isEmpty: isUnfilled,
    remedy: 'Leave audience out: the default is right for most orgs.',
  },
}

/** Members that name an integration or a kind. These may have any name. */
const NAMES = new Set(['type', 'integration', 'clientAuth', 'subjectToken', 'subjectTokenType'])

function placeholderIn(
  { loginUrl, grant, certificateDeployment }: Judged,
  current: Judged | undefined,
): BrokerError | undefined {
  if (loginUrl !== current?.loginUrl && isPlaceholderHost(new URL(loginUrl).hostname)) {
    return noValue(
      'body/login_url',
      'Send the URL of the org: Setup → My Domain → Current My Domain URL.',
    )
  }
  const before = (current?.grant ?? {}) as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries(grant)) {
    if (typeof value !== 'string' || NAMES.has(name) || value === before[name]) continue
    const rule = GRANT_MEMBERS[name] ?? other(name)
    const broken = judged(value, `body/grant/${rule.member}`, rule)
    if (broken) return broken
  }
  const app = certificateDeployment?.app
  if (app !== undefined && app !== current?.certificateDeployment?.app && isUnfilled(app)) {
    return noValue(
      'body/deployment/app',
      'Send the API name of the External Client App: Setup → External Client App Manager.',
    )
  }
  return undefined
}

const other = (name: string): Member => {
  const member = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return { member, isEmpty: isUnfilled, remedy: `Send a value, or leave ${member} out.` }
}

/** Throws `request_invalid` if the text cannot be a consumer key. */
export function checkClientId(text: string, place: string): void {
  const broken = judged(text, place, GRANT_MEMBERS.clientId)
  if (broken) throw broken
}

function judged(text: string, place: string, { isEmpty, remedy }: Omit<Member, 'member'>) {
  if (isEmpty(text)) return noValue(place, remedy)
  if (unquoted(text) === undefined) return undefined
  return new BrokerError('request_invalid', `${place} is in quotation marks`, {
    remedy: 'Send it without the quotation marks around it, which are no part of it.',
  })
}

const noValue = (place: string, remedy: string): BrokerError =>
  new BrokerError(
    'request_invalid',
    `${place} is a placeholder, like undefined, null or THE_CONSUMER_KEY, and no value`,
    { remedy },
  )

/** Records from before this rule stay valid. */
function audienceMissingIn({ loginUrl, grant }: Judged, current: Judged | undefined) {
  const audienceIn = (settings: object) => (settings as { readonly audience?: string }).audience
  if (grant.type !== 'jwt_bearer' || audienceIn(grant) !== undefined) return undefined
  const isAsBefore =
    loginUrl === current?.loginUrl &&
    grant.type === current.grant.type &&
    audienceIn(current.grant) === undefined
  if (isAsBefore || !mustStateAudience(loginUrl)) return undefined
  const { hostname } = new URL(loginUrl)
  return new BrokerError(
    'request_invalid',
    `body/grant/audience has to be stated: which audience ${hostname} takes cannot be told from its name`,
    {
      remedy: `Set grant.audience: for a site on a custom domain the URL of the site, which is mostly login_url; for the My Domain of an org its login host, https://login.salesforce.com or https://test.salesforce.com; in China mostly login_url. POST /integrations/{name}/test names the one that works.`,
    },
  )
}

/** For some grants, Salesforce only issues tokens at the org's own host. */
function wrongHostIn({ loginUrl, grant }: Judged, current: Judged | undefined) {
  if (loginUrl === current?.loginUrl && grant.type === current.grant.type) return undefined
  const common = commonLoginHostOf(loginUrl)
  if (common === undefined || !grantOf(grant.type).needsMyDomain) return undefined
  const { host, myDomain } = common
  return new BrokerError(
    'request_invalid',
    `body/login_url: ${host} takes no ${grant.type}; use your My Domain`,
    {
      remedy: `Set login_url to your My Domain, ${myDomain}: Setup → My Domain → Current My Domain URL.`,
    },
  )
}

/** Proofs name the host that is called, so that only the host of the org itself is safe. Data Cloud is not known to bind tokens. */
function dpopTroubleIn({ loginUrl, grant, dpop, identity }: Judged): BrokerError | undefined {
  if (!asksForBound({ dpop })) {
    if (identity?.expect?.dpop !== true) return undefined
    return new BrokerError(
      'request_invalid',
      'body/identity/expect/dpop needs body/dpop with the mode on: no token would be bound',
    )
  }
  const remedy = 'Leave dpop out, or set its mode to off.'
  const { type } = grant
  if (type === 'data_cloud') {
    return new BrokerError('request_invalid', `body/dpop: ${type} gets no bound tokens`, { remedy })
  }
  const { hostname, pathname } = new URL(loginUrl)
  const isSite = pathname !== '/' || hostname.endsWith('.my.site.com')
  if (!isSite && commonLoginHostOf(loginUrl) === undefined) return undefined
  return new BrokerError(
    'request_invalid',
    `body/dpop: bound tokens need the My Domain of the org, and login_url is ${hostname}`,
    { remedy: `Set login_url to your My Domain: Setup → My Domain. Or: ${remedy}` },
  )
}
