import { Secret } from '../../crypto/secret.ts'
import { badAnswer, type JsonObject } from './salesforce-answer.ts'

/** A validated device authorization response of Salesforce. */
export interface DeviceCode {
  readonly deviceCode: Secret
  /** The code that a person enters at the verification URI. */
  readonly userCode: string
  /** On a host of Salesforce, because people open it. */
  readonly verificationUri: string
  readonly intervalMs: number
  readonly lifetimeMs: number
}

interface InstanceRules {
  checkInstanceUrl(text: string): string | undefined
}

const VISIBLE_ASCII = /^[!-~]{1,4096}$/
const USER_CODE = /^[A-Za-z0-9-]{1,32}$/
/** For members that Salesforce omits: RFC 8628 defines 5 seconds, Salesforce's documentation 10 minutes. */
const INTERVAL_SECONDS = { usual: 5, least: 1, most: 60 }
const LIFETIME_SECONDS = { usual: 600, least: 30, most: 1_800 }

/** Throws `token_response_invalid`. The detail names the member, never its value. */
export function checkDeviceAnswer(body: JsonObject, hosts: InstanceRules): DeviceCode {
  const { device_code: deviceCode, user_code: userCode, verification_uri: uri } = body
  if (typeof deviceCode !== 'string' || !VISIBLE_ASCII.test(deviceCode)) {
    throw badAnswer('The answer has no device_code.')
  }
  if (typeof userCode !== 'string' || !USER_CODE.test(userCode)) {
    throw badAnswer('The answer has no user_code.')
  }
  return {
    deviceCode: new Secret(deviceCode),
    userCode,
    verificationUri: verificationUriOf(uri, hosts),
    intervalMs: msOf(body.interval, INTERVAL_SECONDS),
    lifetimeMs: msOf(body.expires_in, LIFETIME_SECONDS),
  }
}

/** The response with the types of the standard. */
export const standardDeviceAnswer = (code: DeviceCode) => ({
  device_code: code.deviceCode.reveal(),
  user_code: code.userCode,
  verification_uri: code.verificationUri,
  interval: code.intervalMs / 1000,
  expires_in: code.lifetimeMs / 1000,
})

function verificationUriOf(value: unknown, hosts: InstanceRules): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  const isPlain = url?.username === '' && url.password === ''
  if (!url || !isPlain || hosts.checkInstanceUrl(url.origin) === undefined) {
    throw badAnswer('The verification_uri is not https on a host of Salesforce.')
  }
  return url.href
}

function msOf(value: unknown, seconds: { usual: number; least: number; most: number }): number {
  const given = typeof value === 'string' ? Number.parseFloat(value) : value
  if (typeof given !== 'number' || !Number.isFinite(given)) return seconds.usual * 1_000
  return Math.min(seconds.most, Math.max(seconds.least, given)) * 1_000
}
