import { X509Certificate } from 'node:crypto'
import type { Clock } from './clock.ts'
import { newConsumerKey, newConsumerSecret, type RecordIds } from './identifiers.ts'
import type { Org } from './orgs.ts'
import type { Propagated, Propagation } from './propagation.ts'

/** Connected apps and external client apps: their settings, and how their credentials are replaced. */
export interface Apps {
  add(app: NewApp): App
  /** By any consumer key that it has or had, wherever that has spread. */
  find(clientId: string): App | undefined
  /** As `find`; throws if there is none. */
  get(clientId: string): App
  all(): readonly App[]
  update(clientId: string, changes: AppChanges): App
  /** Throws what `update` would, and changes nothing. */
  check(changes: AppChanges): void
  /** Prepares a new secret (and, if asked, a new consumer key). */
  stage(clientId: string, options?: StageOptions): ConsumerPair
  /** Makes the staged pair the current one. An external client app's old pair works for 30 more days. */
  rotate(clientId: string): ConsumerPair
  /** What stands beside the current pair: one that is staged, or the old one after a rotation, while it works. */
  beside(clientId: string): StagedPair | undefined
  /** Ends what stands beside the current pair, at once. */
  unstage(clientId: string): void
}

export interface App {
  readonly id: string
  readonly orgId: string
  readonly name: string
  /** What the Metadata API calls it; unique in its org. */
  readonly apiName: string
  readonly kind: 'external_client_app' | 'connected_app'
  readonly createdAt: number
  /** What the REST API calls its one OAuth consumer. */
  readonly consumerId: string
  readonly configuration: Propagated<AppConfiguration>
}

export interface ConsumerPair {
  readonly clientId: string
  readonly clientSecret: string
}

/** The app that a request comes from: found by its consumer key, proven by its secret or its assertion. */
export interface Client {
  readonly app: App
  readonly org: Org
  readonly clientId: string
  /** As the node that answers sees it. */
  readonly configuration: AppConfiguration
  readonly pairs: readonly ConsumerPair[]
}

interface StageOptions {
  readonly newKey?: boolean
  /** Whether it works before it is rotated in, beside the current pair. Default false. */
  readonly works?: boolean
}

export interface StagedPair extends ConsumerPair {
  readonly id: string
  readonly state: 'active' | 'rotated'
  /** Null: until it is ended. */
  readonly endsAt: number | null
}

interface PairWithEnd extends ConsumerPair {
  /** Null: until it is replaced. */
  readonly endsAt: number | null
}

interface AppSettings {
  /** PEM. Its expiry is not looked at, as Salesforce does not. */
  readonly certificatePem: string | null
  readonly clientCredentialsFlow: boolean
  /** Whom the client credentials flow acts as. */
  readonly runAsUsername: string | null
  readonly scopes: readonly string[]
  readonly permittedUsers: 'admin_approved' | 'self_authorize'
  /** Who is assigned by profile or permission set (admin approved), or has approved by hand. */
  readonly approvedUsernames: readonly string[]
  /** `enforce` holds users to their login IP ranges. */
  readonly ipPolicy: 'enforce' | 'relax'
  readonly installed: boolean
  readonly blocked: boolean
  readonly pkceRequired: boolean
  readonly secretRequiredForRefresh: boolean
  /** Whether a code is exchanged only for the secret. */
  readonly secretRequiredForCode: boolean
  /** Where a browser may be sent back to. */
  readonly callbackUrls: readonly string[]
  readonly deviceFlow: boolean
  readonly tokenExchangeFlow: boolean
  readonly secretRequiredForExchange: boolean
  /** Developer names of its token exchange handlers, the default first. */
  readonly tokenHandlers: readonly string[]
  readonly refreshTokenRotation: boolean
  /** Null: a refresh token that is never idle too long. */
  readonly refreshTokenIdleMs: number | null
  readonly introspectAllTokens: boolean
  readonly jwtAccessTokens: boolean
  /** Overrides the org's time-out. */
  readonly sessionTimeoutMs: number | null
  /** False: its tokens are alive, but "not valid for use with the REST API". */
  readonly restApiAllowed: boolean
}

export interface AppConfiguration extends AppSettings {
  /** The current pair first, then those that still work. */
  readonly pairs: readonly PairWithEnd[]
}

export type AppChanges = Partial<AppSettings>

export interface NewApp extends AppChanges {
  readonly orgId: string
  readonly name?: string
  /** Default: made from the name. */
  readonly apiName?: string
  readonly kind?: App['kind']
}

const OLD_PAIR_MS = 30 * 86_400_000
const LONGEST_CERTIFICATE = 4_000

export const DEFAULT_APP: AppSettings = {
  certificatePem: null,
  clientCredentialsFlow: false,
  runAsUsername: null,
  scopes: ['api'],
  permittedUsers: 'admin_approved',
  approvedUsernames: [],
  ipPolicy: 'enforce',
  installed: true,
  blocked: false,
  pkceRequired: false,
  secretRequiredForRefresh: true,
  secretRequiredForCode: true,
  callbackUrls: [],
  deviceFlow: false,
  tokenExchangeFlow: false,
  secretRequiredForExchange: true,
  tokenHandlers: [],
  refreshTokenRotation: false,
  refreshTokenIdleMs: null,
  introspectAllTokens: false,
  jwtAccessTokens: false,
  sessionTimeoutMs: null,
  restApiAllowed: true,
}

interface AppsDependencies {
  readonly ids: RecordIds
  readonly clock: Clock
  readonly propagation: Propagation
}

export function createApps({ ids, clock, propagation }: AppsDependencies): Apps {
  const byClientId = new Map<string, App>()
  /** By app. */
  const slots = new Map<string, StagedPair>()

  function get(clientId: string): App {
    const app = byClientId.get(clientId)
    if (app === undefined) throw new Error(`There is no app with the consumer key ${clientId}`)
    return app
  }

  const all = () => [...new Set(byClientId.values())]

  /** As Setup proposes it; with a number, where it is taken. */
  function apiNameOf(orgId: string, name: string): string {
    const taken = new Set(all().flatMap((app) => (app.orgId === orgId ? app.apiName : [])))
    const plain = name.replace(/[^A-Za-z0-9]+/g, '_')
    let proposed = plain
    for (let number = 2; taken.has(proposed); number += 1) proposed = `${plain}_${number}`
    return proposed
  }

  return {
    add({ orgId, name = 'App', apiName, kind = 'external_client_app', ...changes }) {
      assertCertificate(changes.certificatePem)
      const pair = { clientId: newConsumerKey(), clientSecret: newConsumerSecret(), endsAt: null }
      const configuration = propagation.begin<AppConfiguration>({
        ...DEFAULT_APP,
        ...changes,
        pairs: [pair],
      })
      const app: App = {
        id: ids.next('0xI'),
        ...{ orgId, name, kind, configuration },
        apiName: apiNameOf(orgId, apiName ?? name),
        createdAt: clock.now(),
        consumerId: ids.next('888'),
      }
      byClientId.set(pair.clientId, app)
      return app
    },
    find: (clientId) => byClientId.get(clientId),
    get,
    all,
    check: ({ certificatePem }) => assertCertificate(certificatePem),
    update(clientId, changes) {
      assertCertificate(changes.certificatePem)
      const app = get(clientId)
      app.configuration.set({ ...app.configuration.latest(), ...changes })
      return app
    },
    stage(clientId, { newKey = false, works = false } = {}) {
      const app = get(clientId)
      const key = newKey ? newConsumerKey() : currentPair(app.configuration.latest()).clientId
      const pair = { clientId: key, clientSecret: newConsumerSecret() }
      slots.set(app.id, { ...pair, id: ids.next('0xS'), state: 'active', endsAt: null })
      if (works) {
        const configuration = app.configuration.latest()
        byClientId.set(key, app)
        const pairs = [...configuration.pairs, { ...pair, endsAt: null }]
        app.configuration.set({ ...configuration, pairs })
      }
      return pair
    },
    rotate(clientId) {
      const app = get(clientId)
      const slot = slots.get(app.id)
      if (slot?.state !== 'active') throw new Error('Nothing is staged for this app')
      slots.delete(app.id)
      const next = { clientId: slot.clientId, clientSecret: slot.clientSecret }
      const configuration = app.configuration.latest()
      const endsAt = clock.now() + OLD_PAIR_MS
      const former = currentPair(configuration)
      const others = configuration.pairs.filter((pair) => !isSamePair(pair, next))
      const kept =
        app.kind === 'connected_app'
          ? []
          : others.map((pair) => ({ ...pair, endsAt: pair.endsAt ?? endsAt }))
      if (app.kind === 'external_client_app') {
        slots.set(app.id, { ...pairOf(former), id: ids.next('0xS'), state: 'rotated', endsAt })
      }
      byClientId.set(next.clientId, app)
      app.configuration.set({ ...configuration, pairs: [{ ...next, endsAt: null }, ...kept] })
      return next
    },
    beside(clientId) {
      const slot = slots.get(get(clientId).id)
      const isOver = slot !== undefined && slot.endsAt !== null && slot.endsAt <= clock.now()
      return isOver ? undefined : slot
    },
    unstage(clientId) {
      const app = get(clientId)
      const slot = slots.get(app.id)
      if (slot === undefined) return
      slots.delete(app.id)
      const configuration = app.configuration.latest()
      const pairs = configuration.pairs.filter((pair) => !isSamePair(pair, slot))
      app.configuration.set({ ...configuration, pairs })
    },
  }
}

const pairOf = ({ clientId, clientSecret }: ConsumerPair): ConsumerPair => ({
  clientId,
  clientSecret,
})

const isSamePair = (one: ConsumerPair, other: ConsumerPair): boolean =>
  one.clientId === other.clientId && one.clientSecret === other.clientSecret

/** The pair that an operator would copy from the app's page today. */
export function currentPair(configuration: AppConfiguration): ConsumerPair {
  const [pair] = configuration.pairs
  if (pair === undefined) throw new Error('An app has at least one consumer key')
  return pair
}

/** The pairs of this consumer key that work at this time. */
export function livePairs(
  configuration: AppConfiguration,
  clientId: string,
  now: number,
): readonly ConsumerPair[] {
  return configuration.pairs.filter(
    (pair) => pair.clientId === clientId && (pair.endsAt === null || now < pair.endsAt),
  )
}

/** What the upload form refuses: text that is no certificate, or too long. */
function assertCertificate(pem: string | null | undefined): void {
  if (pem === null || pem === undefined) return
  if (pem.length > LONGEST_CERTIFICATE) {
    throw new Error(`A certificate may have at most ${LONGEST_CERTIFICATE} characters`)
  }
  if (new X509Certificate(pem).publicKey.asymmetricKeyType !== 'rsa') {
    throw new Error('The certificate must be of an RSA key')
  }
}
