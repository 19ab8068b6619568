import { approve } from './approvals.ts'
import type { App, AppChanges, ConsumerPair, NewApp, StagedPair } from './apps.ts'
import { currentPair } from './apps.ts'
import type { Clock } from './clock.ts'
import { createControl } from './control.ts'
import type { DataCloudToken } from './data-cloud.ts'
import type { Deployment } from './deployments.ts'
import type { FaultHandle, FaultRule, FaultScope } from './faults.ts'
import { createHandler } from './handler.ts'
import { LOGIN_ADDRESS, originsAs } from './hosts.ts'
import type { Login } from './login-history.ts'
import type { NewOrg, NewUser, Org, OrgChanges, User, UserChanges } from './orgs.ts'
import type { RefreshToken } from './refresh-tokens.ts'
import type { RefusalName } from './refusals.ts'
import type { Counters, LogEntry } from './request-log.ts'
import { listen } from './server.ts'
import type { Session } from './sessions.ts'
import type { Settings } from './settings.ts'
import { createWorld, type World } from './world.ts'

/** An offline Salesforce on loopback: what tests and the demo hold in their hands. */
export interface Simulator {
  readonly port: number
  /** The loopback addresses that it listens on. */
  readonly addresses: readonly string[]
  readonly origins: SimulatorOrigins
  /** The org `acme` (production) and its sandbox, made at the start. */
  readonly acme: Org
  readonly sandbox: Org
  /** Moves on its own; tests push it further. */
  readonly clock: Clock

  addOrg(org: NewOrg): Org
  updateOrg(orgId: string, changes: OrgChanges): Org
  addUser(user: NewUser): User
  updateUser(username: string, changes: UserChanges): User
  orgs(): readonly Org[]
  users(): readonly User[]

  /** An app for the JWT bearer grant, with its user approved. */
  addJwtApp(app: NewJwtApp): AppSeed
  /** An app for the client credentials grant, with its run-as user. Its secret, or its certificate, proves it. */
  addClientCredentialsApp(app?: NewAppSeed): AppSeed
  /** An app for the refresh token grant; `approve` gives its tokens. */
  addRefreshTokenApp(app?: NewAppSeed): AppSeed
  /** An app for token exchange, with a handler. */
  addTokenExchangeApp(app?: NewAppSeed): AppSeed
  updateApp(clientId: string, changes: AppChanges): void
  apps(): readonly AppSeed[]
  /** Prepares a new secret, or a new key and secret, that `rotateCredentials` will put to work. */
  stageCredentials(clientId: string, options?: { readonly newKey?: boolean }): ConsumerPair
  /** The old pair of an external client app works for 30 more days; a connected app loses its pair and all its tokens. */
  rotateCredentials(clientId: string): ConsumerPair
  /** What stands beside the current pair: one that is staged, or the old one, while it works. */
  besideCredentials(clientId: string): StagedPair | undefined
  /** As if the user had approved the app in a browser. */
  approve(approval: { readonly clientId: string; readonly username?: string }): {
    readonly refreshToken: string
  }

  /** Every one that was ever given, oldest first. */
  refreshTokens(): readonly RefreshToken[]

  settings(): Settings
  configure(changes: Partial<Settings>): Settings
  /** Of the Metadata API, oldest first. */
  deployments(): readonly Deployment[]
  sessions(): readonly Session[]
  /** Every token of Data Cloud, oldest first. */
  dataCloudTokens(): readonly DataCloudToken[]
  /** As an administrator does in Session Management. Without a filter: every session. Says how many ended. */
  endSessions(filter?: SessionFilter): number

  /** Orders a fault; the first of several takes effect first. */
  addFault(rule: FaultRule): FaultHandle
  /** The next token request (or the next so many) is refused like this. */
  refuseNext(refusal: RefusalName, scope?: FaultScope): FaultHandle
  faults(): readonly FaultRule[]
  /** One that was ordered, also when it is spent. */
  fault(id: number): FaultHandle | undefined
  clearFaults(): void

  /** What was received, oldest first; the newest 10,000. */
  readonly log: readonly LogEntry[]
  /** The log of the token endpoint. */
  tokenRequests(): readonly LogEntry[]
  counters(): Counters
  loginHistory(): readonly Login[]
  /** Empties the log, the counters, Login History and the hourly counts. */
  clear(): void

  stop(): Promise<void>
}

export interface SimulatorOrigins {
  /** The My Domain of `acme`. */
  readonly myDomain: string
  readonly login: string
  readonly test: string
  /** The My Domain of the sandbox. */
  readonly sandbox: string
}

export interface SimulatorOptions {
  /** Default 0: a free one. */
  readonly port?: number
  /** PEM. With it the simulator speaks HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Of all chance: which node answers, and when a change reaches it. Default 1. */
  readonly seed?: number
  readonly settings?: Partial<Settings>
  /** The time that the clock starts from and follows. Default `Date.now`. */
  readonly now?: () => number
}

/** The org is `acme` and the user its `billing@acme.com`, unless they say otherwise. */
export type NewAppSeed = Partial<NewApp> & { readonly username?: string }
export type NewJwtApp = NewAppSeed & { readonly certificatePem: string }

/** What an operator would copy from the app's page. */
export interface AppSeed extends ConsumerPair {
  readonly name: string
  /** What the Metadata API calls it. */
  readonly apiName: string
  readonly orgId: string
  /** Whom the app was made for. */
  readonly username: string
  /** The My Domain of its org, as the simulator is reached. */
  readonly loginUrl: string
  /** What an assertion's `aud` has to be. */
  readonly audience: string
}

export interface SessionFilter {
  readonly clientId?: string
  readonly username?: string
  readonly token?: string
}

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const stopping = new AbortController()
  const world = createWorld({
    realNow: options.now ?? Date.now,
    seed: options.seed ?? 1,
    settings: options.settings ?? {},
    stopped: stopping.signal,
  })
  const acme = world.directory.addOrg({ myDomain: 'acme' })
  const sandbox = world.directory.addOrg({ myDomain: 'acme--dev' })
  world.directory.addUser({ username: 'billing@acme.com', orgId: acme.id })
  world.directory.addUser({ username: 'billing@acme.com.dev', orgId: sandbox.id })

  const scheme = options.tls === undefined ? 'http' : 'https'
  const control = createControl(() => simulator)
  const handler = createHandler({ world, scheme, control })
  const listening = await listen({ port: options.port ?? 0, tls: options.tls }, handler)
  const origins = originsAs(scheme, `${LOGIN_ADDRESS}:${listening.port}`)

  function seedOf(app: App): AppSeed {
    const configuration = app.configuration.latest()
    const { clientId, clientSecret } = currentPair(configuration)
    const org = world.directory.org(app.orgId)
    return {
      clientId,
      clientSecret,
      name: app.name,
      apiName: app.apiName,
      orgId: app.orgId,
      username: configuration.runAsUsername ?? configuration.approvedUsernames[0] ?? '',
      loginUrl: origins.myDomain(org),
      audience: `https://${org.kind === 'sandbox' ? 'test' : 'login'}.salesforce.com`,
    }
  }

  function addApp({ username, orgId = acme.id, ...app }: NewAppSeed, grant: Partial<NewApp>) {
    const owner = username ?? firstUserOf(world, orgId)
    const runAs = grant.clientCredentialsFlow === true ? { runAsUsername: owner } : {}
    return seedOf(world.apps.add({ ...grant, ...runAs, approvedUsernames: [owner], ...app, orgId }))
  }

  const simulator: Simulator = {
    port: listening.port,
    addresses: listening.addresses,
    origins: {
      myDomain: origins.myDomain(acme),
      login: origins.login(),
      test: origins.test(),
      sandbox: origins.myDomain(sandbox),
    },
    acme,
    sandbox,
    clock: world.clock,

    addOrg: world.directory.addOrg,
    updateOrg: world.directory.updateOrg,
    addUser: world.directory.addUser,
    updateUser: world.directory.updateUser,
    orgs: world.directory.orgs,
    users: world.directory.users,

    addJwtApp: (app) =>
      addApp(app, { name: 'JWT app', scopes: ['api', 'refresh_token', 'offline_access'] }),
    addClientCredentialsApp: (app = {}) =>
      addApp(app, { name: 'Client credentials app', clientCredentialsFlow: true }),
    addRefreshTokenApp: (app = {}) =>
      addApp(app, { name: 'Refresh token app', scopes: ['api', 'refresh_token'] }),
    addTokenExchangeApp: (app = {}) =>
      addApp(app, {
        ...{ name: 'Token exchange app', tokenExchangeFlow: true, tokenHandlers: ['Handler'] },
      }),
    updateApp: (clientId, changes) => void world.apps.update(clientId, changes),
    apps: () => world.apps.all().map(seedOf),
    stageCredentials: (clientId, { newKey = false } = {}) => world.apps.stage(clientId, { newKey }),
    besideCredentials: world.apps.beside,
    rotateCredentials(clientId) {
      const pair = world.apps.rotate(clientId)
      const { kind, id } = world.apps.get(clientId)
      if (kind === 'connected_app') {
        world.refreshTokens.revokeApp(id)
        world.sessions.endWhere(({ appId }) => appId === id)
      }
      return pair
    },
    approve: ({ clientId, username }) => ({
      refreshToken: approve(world, approvalOf(world, clientId, username)).token,
    }),

    refreshTokens: world.refreshTokens.all,

    settings: world.settings,
    configure: world.configure,
    deployments: world.deployments.all,
    sessions: world.sessions.live,
    dataCloudTokens: world.dataCloud.all,
    endSessions: (filter = {}) => world.sessions.endWhere(matcher(filter, world)),

    addFault: world.faults.add,
    refuseNext: (refusal, scope = {}) => world.faults.add({ ...scope, kind: 'refusal', refusal }),
    faults: world.faults.list,
    fault: world.faults.find,
    clearFaults: world.faults.clear,

    get log() {
      return world.log.entries()
    },
    tokenRequests: () => world.log.entries().filter(({ endpoint }) => endpoint === 'token'),
    counters: world.log.counters,
    loginHistory: world.logins.rows,
    clear() {
      world.log.clear()
      world.logins.clear()
    },

    async stop() {
      stopping.abort()
      world.faults.clear()
      await listening.close()
    },
  }
  return simulator
}

function firstUserOf(world: World, orgId: string): string {
  const user = world.directory.users().find((one) => one.orgId === orgId)
  if (user === undefined) throw new Error(`The org ${orgId} has no user yet`)
  return user.username
}

function approvalOf(world: World, clientId: string, username: string | undefined) {
  const { orgId, configuration } = world.apps.get(clientId)
  const user = world.directory.findUser(orgId, username ?? firstUserOf(world, orgId))
  if (user === undefined) throw new Error(`There is no user ${username} in this org`)
  return { clientId, userId: user.id, scopes: configuration.latest().scopes }
}

function matcher({ clientId, username, token }: SessionFilter, world: World) {
  return (session: Session) =>
    (clientId === undefined || session.clientId === clientId) &&
    (token === undefined || session.token === token) &&
    (username === undefined || world.directory.user(session.userId).username === username)
}
