import type { AppChanges, ConsumerPair, NewApp, StagedPair } from './apps.ts'
import type { Clock } from './clock.ts'
import type { DataCloudToken } from './data-cloud.ts'
import type { Deployment } from './deployments.ts'
import type { FaultHandle, FaultRule, FaultScope } from './faults.ts'
import type { Login } from './login-history.ts'
import type { NewOrg, NewUser, Org, OrgChanges, User, UserChanges } from './orgs.ts'
import type { RefreshToken } from './refresh-tokens.ts'
import type { RefusalName } from './refusals.ts'
import type { Counters, LogEntry } from './request-log.ts'
import type { Session } from './sessions.ts'
import type { Settings } from './settings.ts'

/** The API of an offline Salesforce on loopback, for tests and the demo. */
export interface Simulator {
  readonly port: number
  /** The loopback addresses of the listener. */
  readonly addresses: readonly string[]
  readonly origins: SimulatorOrigins
  /** The org `acme` (production) and its sandbox, created at the start. */
  readonly acme: Org
  readonly sandbox: Org
  /** Runs by itself. Tests move it forward. */
  readonly clock: Clock

  addOrg(org: NewOrg): Org
  updateOrg(orgId: string, changes: OrgChanges): Org
  addUser(user: NewUser): User
  updateUser(username: string, changes: UserChanges): User
  orgs(): readonly Org[]
  users(): readonly User[]

  /** An app for the JWT bearer grant with an approved user. */
  addJwtApp(app: NewJwtApp): AppSeed
  /** An app for the client credentials grant with a run-as user. It authenticates with its secret or its certificate. */
  addClientCredentialsApp(app?: NewAppSeed): AppSeed
  /** An app for the refresh token grant. `approve` returns its tokens. */
  addRefreshTokenApp(app?: NewAppSeed): AppSeed
  /** An app for token exchange, with a handler. */
  addTokenExchangeApp(app?: NewAppSeed): AppSeed
  updateApp(clientId: string, changes: AppChanges): void
  apps(): readonly AppSeed[]
  /** Stages a new secret, or a new key and secret, for `rotateCredentials`. */
  stageCredentials(clientId: string, options?: { readonly newKey?: boolean }): ConsumerPair
  /** The old pair of an external client app works for 30 more days. A connected app loses its pair and all its tokens. */
  rotateCredentials(clientId: string): ConsumerPair
  /** The pair beside the current one: a staged pair, or the old one while it works. */
  besideCredentials(clientId: string): StagedPair | undefined
  /** Has the effect of an approval by the user in a browser. */
  approve(approval: { readonly clientId: string; readonly username?: string }): {
    readonly refreshToken: string
  }

  /** All refresh tokens ever issued, oldest first. */
  refreshTokens(): readonly RefreshToken[]

  settings(): Settings
  configure(changes: Partial<Settings>): Settings
  /** Deployments of the Metadata API, oldest first. */
  deployments(): readonly Deployment[]
  sessions(): readonly Session[]
  /** All Data Cloud tokens, oldest first. */
  dataCloudTokens(): readonly DataCloudToken[]
  /** Ends sessions as an administrator does in Session Management. Without a filter: all sessions. Returns their number. */
  endSessions(filter?: SessionFilter): number

  /** Adds a fault. Of several, the first one takes effect first. */
  addFault(rule: FaultRule): FaultHandle
  /** Refuses the next token request, or several, with this refusal. */
  refuseNext(refusal: RefusalName, scope?: FaultScope): FaultHandle
  faults(): readonly FaultRule[]
  /** An active or used fault. */
  fault(id: number): FaultHandle | undefined
  clearFaults(): void

  /** Received requests, oldest first. Keeps the newest 10,000. */
  readonly log: readonly LogEntry[]
  /** The log of the token endpoint. */
  tokenRequests(): readonly LogEntry[]
  counters(): Counters
  loginHistory(): readonly Login[]
  /** Clears the log, the counters, Login History and the hourly counts. */
  clear(): void

  stop(): Promise<void>
}

interface SimulatorOrigins {
  /** The My Domain of `acme`. */
  readonly myDomain: string
  readonly login: string
  readonly test: string
  /** The My Domain of the sandbox. */
  readonly sandbox: string
}

/** Default: the org `acme` and its user `billing@acme.com`. */
export type NewAppSeed = Partial<NewApp> & { readonly username?: string }
export type NewJwtApp = NewAppSeed & { readonly certificatePem: string }

/** The data that an operator copies from the app's page. */
export interface AppSeed extends ConsumerPair {
  readonly name: string
  /** Its name in the Metadata API. */
  readonly apiName: string
  readonly orgId: string
  /** The user for whom the app was created. */
  readonly username: string
  /** The My Domain of its org, as an address of the simulator. */
  readonly loginUrl: string
  /** The required `aud` of an assertion. */
  readonly audience: string
}

export interface SessionFilter {
  readonly clientId?: string
  readonly username?: string
  readonly token?: string
}
