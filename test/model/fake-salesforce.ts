/** Salesforce as a model needs it: an org at each login URL, whose tokens live for a while, are repeated while they live, and end when they are revoked. */
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { classify, grantRefused } from '../../src/grants/refusals/refusals.ts'
import type { TokenEndpoint } from '../../src/grants/token-endpoint/token-endpoint.ts'
import { tokenIdOf } from '../../src/tokens/serve/lease.ts'

export type SalesforceMode = 'well' | 'down' | 'refusing'

/** A token, as Salesforce knows it. */
export interface IssuedToken {
  readonly tokenId: string
  readonly loginUrl: string
  /** A repeated request extends it where Salesforce does not say how long tokens live. */
  expiresAt: number
  revokedAt: number | undefined
}

export interface FakeSalesforce {
  readonly endpoint: TokenEndpoint
  mode: SalesforceMode
  /** Which part of the tokens is dead when it is issued. 0 where Salesforce says how long tokens live. */
  deadShare: number
  /** Whether the answer to a token request says how long the token lives. Otherwise introspection does. */
  readonly says: boolean
  /** Tokens that came to a login URL other than the one that issued them. */
  readonly strays: string[]
  issued(tokenId: string): IssuedToken | undefined
  /** How many token requests came for this login URL. */
  requests(loginUrl: string): number
}

export interface FakeSalesforceDependencies {
  readonly now: () => number
  readonly random: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Whether a repeated request gets the token that lives already. */
  readonly repeats: boolean
  /** Whether the answer to a token request says how long the token lives. */
  readonly says: boolean
}

/** Of each half of an exchange, of which the whole may take 4 seconds: whoever gets no answer in time twice gets no token, and rightly so. */
const LATENCIES_MS = [0, 20, 150, 700, 1_900]
const LIFETIME_MS = { least: 8_000, most: 60_000 }
/** A session outlives half of its time-out after each login: that is what the assumption rests on. */
const UNSAID_LIFETIME_MS = { least: 31_000, most: 90_000 }
const DEAD_SHARE = 0.05

export function createFakeSalesforce(dependencies: FakeSalesforceDependencies): FakeSalesforce {
  const { now, random, sleep, repeats, says } = dependencies
  const lifetime = says ? LIFETIME_MS : UNSAID_LIFETIME_MS
  const tokens = new Map<string, IssuedToken>()
  const texts = new Map<string, IssuedToken>()
  const current = new Map<string, { text: string; token: IssuedToken }>()
  /** Revoked by us. */
  const ended = new Set<string>()
  const counts = new Map<string, number>()
  let serial = 0

  const latency = () => sleep(LATENCIES_MS[Math.floor(random() * LATENCIES_MS.length)] ?? 0)

  const issue = (loginUrl: string) => {
    serial += 1
    const text = `00D!${serial}`
    const lifetimeMs = lifetime.least + random() * (lifetime.most - lifetime.least)
    const expiresAt = now() + Math.floor(lifetimeMs / 1_000) * 1_000
    const tokenId = tokenIdOf(new Secret(text))
    const revokedAt = !says && random() < fake.deadShare ? now() : undefined
    const token: IssuedToken = { tokenId, loginUrl, expiresAt, revokedAt }
    tokens.set(tokenId, token)
    texts.set(text, token)
    current.set(loginUrl, { text, token })
    return { text, token }
  }

  const isLive = ({ expiresAt, revokedAt }: IssuedToken) =>
    revokedAt === undefined && expiresAt > now() + 1_000

  /** Salesforce repeats a dead token until it is revoked. */
  const isKept = (token: IssuedToken) => isLive(token) || (!says && !ended.has(token.tokenId))

  const fail = () => {
    if (fake.mode === 'down') {
      throw new BrokerError('salesforce_unavailable', 'It is down', { retryAfterMs: 1_000 })
    }
    if (fake.mode === 'refusing') {
      throw grantRefused(
        classify({ error: 'invalid_grant', errorDescription: 'invalid assertion' }),
      )
    }
  }

  const endpoint: TokenEndpoint = {
    async token({ loginUrl }) {
      counts.set(loginUrl, (counts.get(loginUrl) ?? 0) + 1)
      await latency()
      fail()
      const held = repeats ? current.get(loginUrl) : undefined
      const { text, token } = held && isKept(held.token) ? held : issue(loginUrl)
      if (!says) token.expiresAt = Math.max(token.expiresAt, now() + lifetime.least)
      const expiresInSeconds = Math.floor((token.expiresAt - now()) / 1_000)
      await latency()
      return {
        accessToken: new Secret(text),
        issuer: loginUrl,
        instanceUrl: 'https://acme.my.salesforce.com',
        orgId: '00D000000000001',
        userId: '005000000000001',
        ...(says && { expiresInSeconds }),
      }
    },
    async deviceCode() {
      throw new BrokerError('salesforce_unavailable', 'Nothing here connects a device')
    },
    async introspect({ token }) {
      await latency()
      fail()
      const known = texts.get(token.reveal())
      if (!known || !isLive(known)) return { active: false }
      return { active: true, expiresAt: known.expiresAt }
    },
    async revoke({ loginUrl, token }) {
      const known = texts.get(token.reveal())
      if (known?.loginUrl !== loginUrl) fake.strays.push(`${known?.tokenId} at ${loginUrl}`)
      await latency()
      if (fake.mode === 'down') fail()
      if (!known || ended.has(known.tokenId)) return 'unknown_token'
      known.revokedAt = now()
      ended.add(known.tokenId)
      return 'revoked'
    },
    async probe() {
      return { verdict: 'live' }
    },
    async userPermissions() {
      return { unseen: 'Nothing here has permissions' }
    },
    aheadMs: () => 0,
  }

  const fake: FakeSalesforce = {
    endpoint,
    mode: 'well',
    deadShare: DEAD_SHARE,
    says,
    strays: [],
    issued: (tokenId) => tokens.get(tokenId),
    requests: (loginUrl) => counts.get(loginUrl) ?? 0,
  }
  return fake
}
