import { type Apps, createApps } from './apps.ts'
import { type AuthorizationCodes, createAuthorizationCodes } from './authorization-codes.ts'
import { type Clock, createClock } from './clock.ts'
import { createDataCloud, type DataCloud } from './data-cloud.ts'
import { createDeployments, type Deployments } from './deployments.ts'
import { createDeviceCodes, type DeviceCodes } from './device-codes.ts'
import { createFaults, type Faults } from './faults.ts'
import { createRecordIds } from './identifiers.ts'
import { createLoginHistory, type LoginHistory } from './login-history.ts'
import { createDirectory, type Directory } from './orgs.ts'
import { createPropagation, type Propagation } from './propagation.ts'
import { createRandom } from './random.ts'
import { createRefreshTokens, type RefreshTokens } from './refresh-tokens.ts'
import { createRequestLog, type RequestLog } from './request-log.ts'
import { createSessions, type Sessions } from './sessions.ts'
import { DEFAULT_SETTINGS, type Settings } from './settings.ts'
import { createTokenKeys, type TokenKeys } from './token-keys.ts'

/** The state of the simulated Salesforce. All endpoints and grants use it. */
export interface World {
  readonly clock: Clock
  readonly settings: () => Settings
  readonly configure: (changes: Partial<Settings>) => Settings
  readonly propagation: Propagation
  readonly directory: Directory
  readonly apps: Apps
  readonly deployments: Deployments
  readonly sessions: Sessions
  readonly refreshTokens: RefreshTokens
  readonly authorizationCodes: AuthorizationCodes
  readonly deviceCodes: DeviceCodes
  readonly dataCloud: DataCloud
  readonly tokenKeys: TokenKeys
  readonly logins: LoginHistory
  readonly faults: Faults
  readonly log: RequestLog
  /** Used `jti`s by app id and `jti`, with the time at which each is removed. */
  readonly usedAssertionIds: Map<string, number>
  /** Current nonces by thumbprint and host, with the time at which each was given. */
  readonly dpopNonces: Map<string, { readonly nonce: string; readonly at: number }>
  /** The `jti`s of proofs. */
  readonly usedProofIds: Set<string>
  /** Aborted when the simulator stops. Nothing may wait longer. */
  readonly stopped: AbortSignal
}

interface WorldDependencies {
  readonly realNow: () => number
  readonly seed: number
  readonly settings: Partial<Settings>
  readonly stopped: AbortSignal
}

export function createWorld(dependencies: WorldDependencies): World {
  let current: Settings = { ...DEFAULT_SETTINGS, ...dependencies.settings }
  const settings = () => current
  const clock = createClock(dependencies.realNow)
  const ids = createRecordIds()
  const directory = createDirectory(ids)
  const propagation = createPropagation({
    clock,
    settings,
    random: createRandom(dependencies.seed),
  })
  const apps = createApps({ ids, clock, propagation })
  return {
    clock,
    settings,
    configure(changes) {
      current = { ...current, ...changes }
      return current
    },
    propagation,
    directory,
    apps,
    deployments: createDeployments({ ids, clock, settings, apps, users: directory }),
    sessions: createSessions({
      clock,
      settings,
      isEntitled: ({ orgId, userId }) =>
        directory.org(orgId).active && directory.user(userId).state === 'active',
    }),
    refreshTokens: createRefreshTokens({ clock, settings }),
    authorizationCodes: createAuthorizationCodes({ clock, settings }),
    deviceCodes: createDeviceCodes({ clock, settings }),
    dataCloud: createDataCloud(clock),
    tokenKeys: createTokenKeys(),
    logins: createLoginHistory({ clock, settings }),
    faults: createFaults(),
    log: createRequestLog(),
    usedAssertionIds: new Map(),
    dpopNonces: new Map(),
    usedProofIds: new Set(),
    stopped: dependencies.stopped,
  }
}
