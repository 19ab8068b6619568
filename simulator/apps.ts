import { X509Certificate } from 'node:crypto'
import type { Clock } from './clock.ts'
import { newConsumerKey, newConsumerSecret, type RecordIds } from './identifiers.ts'
import type { Org } from './orgs.ts'
import type { Propagated, Propagation } from './propagation.ts'

/** Connected apps and external client apps: their settings, and the replacement of their credentials. */
export interface Apps {
  add(app: NewApp): App
  /** Finds an app by a current or former consumer key, on any node. */
  find(clientId: string): App | undefined
  /** As `find`. Throws if there is none. */
  get(clientId: string): App
  all(): readonly App[]
  update(clientId: string, changes: AppChanges): App
  /** Throws what `update` would throw, without changes. */
  check(changes: AppChanges): void
  /** Stages a new secret, with a new consumer key if requested. */
  stage(clientId: string, options?: StageOptions): ConsumerPair
  /** Makes the staged pair the current one. The old pair of an external client app works for 30 more days. */
  rotate(clientId: string): ConsumerPair
  /** The pair beside the current one: a staged pair, or the old pair after a rotation while it works. */
  beside(clientId: string): StagedPair | undefined
  /** Ends the pair beside the current one at once. */
  unstage(clientId: string): void
}

export interface App {
  readonly id: string
  readonly orgId: string
  readonly name: string
  /** Its name in the Metadata API, unique in its org. */
  readonly apiName: string
  readonly kind: 'external_client_app' | 'connected_app'
  readonly createdAt: number
  /** Id of its one OAuth consumer in the REST API. */
  readonly consumerId: string
  readonly configuration: Propagated<AppConfiguration>
}

export interface ConsumerPair {
  readonly clientId: string
  readonly clientSecret: string
}

/** The authenticated app of a request, found by its consumer key. */
export interface Client {
  readonly app: App
  readonly org: Org
  readonly clientId: string
  /** The configuration on the node that answers. */
  readonly configuration: AppConfiguration
  readonly pairs: readonly ConsumerPair[]
}

interface StageOptions {
  readonly newKey?: boolean
  /** Whether the staged pair works before it is rotated in. Default false. */
  readonly works?: boolean
}

export interface StagedPair extends ConsumerPair {
  readonly id: string
  readonly state: 'active' | 'rotated'
  /** Null: it has no end. */
  readonly endsAt: number | null
}

interface PairWithEnd extends ConsumerPair {
  /** Null: it works until it is replaced. */
  readonly endsAt: number | null
}

interface AppSettings {
  /** PEM. Its expiry is not checked, as at Salesforce. */
  readonly certificatePem: string | null
  readonly clientCredentialsFlow: boolean
  /** The run-as user of the client credentials flow. */
  readonly runAsUsername: string | null
  readonly scopes: readonly string[]
  readonly permittedUsers: 'admin_approved' | 'self_authorize'
  /** Users that are assigned by profile or permission set (admin approved), or that approved the app. */
  readonly approvedUsernames: readonly string[]
  /** `enforce`: users must log in from their login IP ranges. */
  readonly ipPolicy: 'enforce' | 'relax'
  readonly installed: boolean
  readonly blocked: boolean
  readonly pkceRequired: boolean
  readonly secretRequiredForRefresh: boolean
  /** Whether the exchange of a code needs the secret. */
  readonly secretRequiredForCode: boolean
  /** Allowed callback URLs. */
  readonly callbackUrls: readonly string[]
  readonly deviceFlow: boolean
  readonly tokenExchangeFlow: boolean
  readonly secretRequiredForExchange: boolean
  /** Developer names of its token exchange handlers, the default one first. */
  readonly tokenHandlers: readonly string[]
  readonly refreshTokenRotation: boolean
  /** Null: refresh tokens never expire by idleness. */
  readonly refreshTokenIdleMs: number | null
  readonly introspectAllTokens: boolean
  readonly jwtAccessTokens: boolean
  /** Replaces the time-out of the org. */
  readonly sessionTimeoutMs: number | null
  /** False: its tokens are live, but "not valid for use with the REST API". */
  readonly restApiAllowed: boolean
  /** "Require DPoP": no token without a key. Otherwise proofs are allowed. */
  readonly dpopRequired: boolean
}

export interface AppConfiguration extends AppSettings {
  /** The current pair first, then others that still work. */
  readonly pairs: readonly PairWithEnd[]
}

export type AppChanges = Partial<AppSettings>

export interface NewApp extends AppChanges {
  readonly orgId: string
  readonly name?: string
  /** Default: derived from the name. */
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
  dpopRequired: false,
}

interface AppsDependencies {
  readonly ids: RecordIds
  readonly clock: Clock
  readonly propagation: Propagation
}

export function createApps({ ids, clock, propagation }: AppsDependencies): Apps {
  const byClientId = new Map<string, App>()
  /** Staged pairs, by app. */
  const slots = new Map<string, StagedPair>()

  function get(clientId: string): App {
    const app = byClientId.get(clientId)
    if (app === undefined) throw new Error(`There is no app with the consumer key ${clientId}`)
    return app
  }

  const all = () => [...new Set(byClientId.values())]

  /** The name that Setup suggests, with a number if it is in use. */
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

/** The current pair on the app's page. */
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

/** Refuses what the upload form refuses: text without a certificate, or too long. */
function assertCertificate(pem: string | null | undefined): void {
  if (pem === null || pem === undefined) return
  if (pem.length > LONGEST_CERTIFICATE) {
    throw new Error(`A certificate may have at most ${LONGEST_CERTIFICATE} characters`)
  }
  if (new X509Certificate(pem).publicKey.asymmetricKeyType !== 'rsa') {
    throw new Error('The certificate must be of an RSA key')
  }
}
