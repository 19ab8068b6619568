import { verify, X509Certificate } from 'node:crypto'
import type { Client } from './apps.ts'
import type { Exchange } from './exchange.ts'
import { type Origins, originsAs } from './hosts.ts'
import type { Org } from './orgs.ts'
import { type RefusalName, Refused } from './refusals.ts'
import type { World } from './world.ts'

/** The signed JWT of the JWT bearer grant, or of a client that authenticates by `private_key_jwt`. The order of checks follows the protocol (section 9, item 4), because Salesforce does not publish its order. */
interface Assertion {
  readonly issuer: string
  /** `prn`, the old name, takes precedence over `sub`. */
  readonly subject: string | undefined
  readonly algorithm: unknown
  readonly claims: Readonly<Record<string, unknown>>
  readonly signedText: string
  readonly signature: Buffer
}

/** The purpose of an assertion decides its allowed audiences. */
type Purpose = 'user' | 'client'

interface Checked {
  readonly assertion: Assertion
  readonly client: Client
  readonly exchange: Exchange
  readonly world: World
  readonly purpose: Purpose
}

/** Returns a refusal, or undefined if nothing is wrong. */
type Check = (checked: Checked) => RefusalName | undefined

/** Checks of an assertion with a known issuer, in this order. */
const CHECKS: readonly Check[] = [signature, audience, expiry, replay]

/** Parses an assertion without verifying it. */
export function parseAssertion(text: string | undefined): Assertion {
  const [header, payload, signatureText, ...rest] = (text ?? '').split('.')
  if (!header || !payload || !signatureText || rest.length > 0) {
    throw new Refused('assertion_invalid')
  }
  const { alg } = decodeObject(header)
  const claims = decodeObject(payload)
  if (typeof claims.iss !== 'string') throw new Refused('client_identifier_invalid')
  const subject = claims.prn ?? claims.sub
  return {
    issuer: claims.iss,
    subject: typeof subject === 'string' ? subject : undefined,
    algorithm: alg,
    claims,
    signedText: `${header}.${payload}`,
    signature: Buffer.from(signatureText, 'base64url'),
  }
}

/** Throws the refusal of the first check that fails. */
export function assertSignedBy(
  client: Client,
  assertion: Assertion,
  exchange: Exchange,
  world: World,
  purpose: Purpose,
): void {
  for (const check of CHECKS) {
    const refusal = check({ assertion, client, exchange, world, purpose })
    if (refusal !== undefined) throw new Refused(refusal)
  }
}

/** Only RS256, with the app's one certificate, whose expiry is not checked. */
function signature({ assertion, client, world, purpose }: Checked): RefusalName | undefined {
  const pem = client.configuration.certificatePem
  const isGood =
    assertion.algorithm === 'RS256' &&
    pem !== null &&
    verify(
      'sha256',
      Buffer.from(assertion.signedText),
      new X509Certificate(pem).publicKey,
      assertion.signature,
    )
  if (isGood) return undefined
  return purpose === 'client' ? 'client_credentials_invalid' : world.settings().badSignature
}

function audience({ assertion, client, exchange, world, purpose }: Checked) {
  const { aud } = assertion.claims
  const named = Array.isArray(aud) ? aud : [aud]
  const mayBeMyDomain = purpose === 'client' || world.settings().myDomainAudience
  const accepted = audiencesOf(client.org, exchange.origins, mayBeMyDomain)
  if (purpose === 'client')
    accepted.push(...accepted.map((origin) => `${origin}/services/oauth2/token`))
  const isAccepted = named.some(
    (value) =>
      accepted.includes(value) ||
      (exchange.role.kind === 'site' && accepted.includes(String(value).replace(SITE_PATH, ''))) ||
      accepted.includes(`https://${value}`) ||
      accepted.includes(`http://${value}`),
  )
  return isAccepted ? undefined : 'audience_invalid'
}

const REAL = originsAs('https', 'login.salesforce.com')

/** The path of a site. The audience of such a site contains it. */
const SITE_PATH = /(?<=^https?:\/\/[^/]+)\/.*$/

/** Real names are always allowed, and also the simulator's own origins. */
function audiencesOf(org: Org, origins: Origins, mayBeMyDomain: boolean): string[] {
  return [REAL, origins].flatMap((names) => [
    names.loginOf(org),
    names.site(org),
    ...(org.customDomain === null ? [] : [`https://${org.customDomain}`]),
    ...(mayBeMyDomain ? [names.myDomain(org)] : []),
  ])
}

/** Accepts numbers and numeric strings. A time in milliseconds is only very far in the future. */
function expiry({ assertion, world }: Checked): RefusalName | undefined {
  const { exp } = assertion.claims
  const seconds = typeof exp === 'string' && /^\d+(\.\d+)?$/.test(exp) ? Number(exp) : exp
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return 'assertion_invalid'
  const { assertionSkewMs, assertionMaxAheadMs, assertionsByWallClock } = world.settings()
  const aheadMs = seconds * 1000 - (assertionsByWallClock ? Date.now() : world.clock.now())
  const isTooLate = aheadMs < -assertionSkewMs
  const isTooFar = assertionMaxAheadMs !== null && aheadMs > assertionMaxAheadMs
  return isTooLate || isTooFar ? 'assertion_expired' : undefined
}

const FORGET_AFTER_MS = 10 * 60_000

function replay({ assertion, client, world }: Checked): RefusalName | undefined {
  const { jti } = assertion.claims
  if (jti === undefined) return undefined
  const used = world.usedAssertionIds
  const now = world.clock.now()
  for (const [id, forgottenAt] of used) {
    if (forgottenAt > now) break
    used.delete(id)
  }
  const id = `${client.app.id} ${String(jti)}`
  if (used.has(id)) return 'jti_in_use'
  used.set(id, now + FORGET_AFTER_MS)
  return undefined
}

function decodeObject(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new Refused('assertion_invalid')
}
