/** Asks Salesforce once for each lease whose token it is, and remembers the answer as long as the lease. */
import { BrokerError } from '../../errors/errors.ts'
import { askOrg } from '../../grants/org-api/org-request.ts'
import { textOf, wordsIn } from '../../grants/token-endpoint/answer-form.ts'
import type { HostRules } from '../../http/outbound/login-host.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { Log } from '../../runtime/runtime.ts'
import { within } from '../../runtime/timeout.ts'
import { escapedXml } from '../../setup/xml.ts'
import type { Lease } from '../../tokens/serve/lease.ts'
import { JWT_SINCE, majorOf, NAMESPACES, type SoapApi } from './soap-address.ts'
import { defaultUserInfo, type UserInfo, userInfoIn } from './user-info.ts'
import { childOf, readXml } from './xml.ts'

/** A remembered answer comes without a promise. Never rejects: defaults answer where Salesforce does not. */
export type UserInfoSource = (lease: Lease, api: SoapApi) => UserInfo | Promise<UserInfo>

interface UserInfoSourceDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkInstanceUrl'>
  readonly monotonic: () => number
  readonly log: Pick<Log, 'warn'>
}

/** A login waits for it. */
const DEADLINE_MS = 2_000
/** How long defaults answer after Salesforce did not. */
const PAUSE_MS = 60_000
/** Most leases that are remembered. The oldest one is forgotten first. */
const REMEMBERED = 10_000

interface Known {
  readonly info: UserInfo
  /** On the monotonic clock. Undefined: as long as the lease. */
  readonly until: number | undefined
}

export function createUserInfoSource({
  outbound,
  hosts,
  monotonic,
  log,
}: UserInfoSourceDependencies): UserInfoSource {
  /** By token id, which changes with each token. */
  const known = new Map<string, Known>()
  const asked = new Map<string, Promise<UserInfo>>()

  const ask = async (lease: Lease, api: SoapApi, signal: AbortSignal): Promise<UserInfo> => {
    const { instanceUrl, accessToken } = lease
    const { answer, secrets } = await askOrg(
      { instanceUrl, accessToken, signal },
      {
        method: 'POST',
        path: `/services/Soap/u/${versionFor(api)}`,
        headers: HEADERS,
        body: envelopeFor(accessToken.reveal()),
      },
      { outbound, hosts },
    )
    const root = readXml(textOf(answer))
    const body = typeof root === 'string' ? undefined : childOf(root, 'Body')
    const result = childOf(childOf(body, 'getUserInfoResponse'), 'result')
    if (answer.status === 200 && result) return userInfoIn(result, lease)
    const { errorCode = 'none' } = wordsIn(answer, secrets) ?? {}
    throw new BrokerError(
      'token_response_invalid',
      `getUserInfo answered with status ${answer.status} and the error code ${errorCode}.`,
    )
  }

  const remember = (lease: Lease, info: UserInfo, until: number | undefined) => {
    const [oldest] = known.keys()
    if (known.size >= REMEMBERED && oldest !== undefined) known.delete(oldest)
    known.set(lease.tokenId, { info, until })
    return info
  }

  const learn = async (lease: Lease, api: SoapApi): Promise<UserInfo> => {
    try {
      const info = await within(DEADLINE_MS, (signal) => ask(lease, api, signal))
      return remember(lease, info, undefined)
    } catch (error) {
      const { integration } = lease
      const code = error instanceof BrokerError ? error.code : 'internal'
      log.warn({ err: error, code, integration }, 'getUserInfo failed: logins get default values')
      return remember(lease, defaultUserInfo(lease), monotonic() + PAUSE_MS)
    } finally {
      asked.delete(lease.tokenId)
    }
  }

  return (lease, api) => {
    const { tokenId } = lease
    const found = known.get(tokenId)
    if (found && (found.until === undefined || found.until > monotonic())) return found.info
    const asking = asked.get(tokenId) ?? learn(lease, api)
    asked.set(tokenId, asking)
    return asking
  }
}

/** What the client asks for may be no version of Salesforce, and the answer is for all clients of the token. */
const versionFor = (api: SoapApi): string =>
  // Older ones refuse a token in the form of a JWT.
  majorOf(api) >= JWT_SINCE ? `${JWT_SINCE}.0` : '60.0'

const HEADERS = {
  accept: 'text/xml',
  'content-type': 'text/xml; charset=UTF-8',
  soapaction: '""',
}

const envelopeFor = (sessionId: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="${NAMESPACES.u}"><soapenv:Header><SessionHeader><sessionId>${escapedXml(sessionId)}</sessionId></SessionHeader></soapenv:Header><soapenv:Body><getUserInfo/></soapenv:Body></soapenv:Envelope>`
