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

interface SimulatorOrigins {
  /** The My Domain of `acme`. */
  readonly myDomain: string
  readonly login: string
  readonly test: string
  /** The My Domain of the sandbox. */
  readonly sandbox: string
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
