import { approve } from './approvals.ts'
import type { App, NewApp } from './apps.ts'
import { currentPair } from './apps.ts'
import { createControl } from './control.ts'
import type { AppSeed, NewAppSeed, SessionFilter, Simulator } from './handle.ts'
import { createHandler } from './handler.ts'
import { LOGIN_ADDRESS, originsAs } from './hosts.ts'
import { listen } from './server.ts'
import type { Session } from './sessions.ts'
import type { Settings } from './settings.ts'
import { createWorld, type World } from './world.ts'

export interface SimulatorOptions {
  /** Default 0: any free port. */
  readonly port?: number
  /** PEM. With it, the simulator speaks HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Seed of random choices: the node that answers, and when a change reaches it. Default 1. */
  readonly seed?: number
  readonly settings?: Partial<Settings>
  /** The time from which the clock starts and that it follows. Default `Date.now`. */
  readonly now?: () => number
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
