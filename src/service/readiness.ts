/** Whether this replica can serve, and if not, why. */
import type { Readiness, ReadinessCheck } from '../http/server/health.ts'
import type { CustodyAge, DoubtKind } from '../store/custody-age.ts'
import type { StoreIntegrity } from '../store/integrity/store-integrity.ts'
import type { WatchedState } from '../store/integrity/watched-store.ts'
import { SLOW_MS, WINDOW_MS } from '../store/pace.ts'

interface StoreState extends WatchedState {
  /** What refresh tokens know of the age of the store. Undefined: it was not read yet. */
  readonly age: CustodyAge | undefined
}

interface ServiceState {
  /** Whether the store answered once on each of its connections. */
  readonly hasBeenRead: boolean
  readonly isCurrent: boolean
  /** Whether the store answers too slowly for callers to wait. */
  readonly isSlow: boolean
  readonly isStopping: boolean
  readonly isAuditBlocked: boolean
  readonly store: StoreState
  /** One sentence. Undefined: there is no problem. */
  readonly keyringTrouble: string | undefined
  /** Why records without a code are still accepted. Undefined: they are not. */
  readonly unproven: string | undefined
  /** How many integrations have a secret that could not be read again from its vault. Absent: no vault has secrets. */
  readonly unreadSecrets?: number
  /** Whether the last fetch of the keys of each issuer succeeded. Undefined: there was none. */
  readonly issuers: readonly { readonly issuer: string; readonly isFresh: boolean | undefined }[]
}

/** Problems of the store are shown but do not end readiness: if all replicas left at once, none could serve its leases. */
export function readinessOf(state: ServiceState): Readiness {
  const {
    hasBeenRead,
    isCurrent,
    isSlow,
    isStopping,
    isAuditBlocked,
    store,
    keyringTrouble,
    unproven,
    issuers,
    unreadSecrets,
  } = state
  return {
    ready: hasBeenRead && !isStopping && !isAuditBlocked,
    checks: [
      {
        name: 'started',
        ok: hasBeenRead,
        detail: hasBeenRead ? 'the store answered' : withTrouble('waiting for the store', store),
      },
      { name: 'stopping', ok: !isStopping, detail: isStopping ? 'shutting down' : 'no' },
      {
        name: 'audit',
        ok: !isAuditBlocked,
        detail: isAuditBlocked ? 'audit lines cannot be written' : 'audit lines are written',
      },
      {
        name: 'store',
        ok: isCurrent,
        detail: isCurrent ? 'heard within the last second' : withTrouble('not heard from', store),
      },
      {
        name: 'store_speed',
        ok: !isSlow,
        detail: isSlow ? SLOW : 'it answers soon enough to be waited for',
      },
      ...checksOf(store),
      {
        name: 'store_macs',
        ok: unproven === undefined,
        detail: unproven ?? 'a record that nothing proves is not used',
      },
      {
        name: 'keyring',
        ok: keyringTrouble === undefined,
        detail: keyringTrouble ?? 'it opens everything, as far as is known',
      },
      ...(unreadSecrets === undefined ? [] : [secretsCheck(unreadSecrets)]),
      ...issuers.map(({ issuer, isFresh }) => ({
        name: `issuer ${issuer}`,
        ok: isFresh === true,
        detail: KEYS[`${isFresh}`],
      })),
    ],
  }
}

const secretsCheck = (unread: number): ReadinessCheck => ({
  name: 'secrets',
  ok: unread === 0,
  detail:
    unread === 0
      ? 'the secrets of vaults were read'
      : `the secrets of ${unread} integrations could not be read again from their vaults: those in memory are used; the log names the integrations`,
})

const KEYS = {
  true: 'its keys are fresh',
  false: 'its keys could not be fetched; those held are used',
  undefined: 'its keys were not fetched yet',
} as const

const SLOW = `slow: half of its answers took longer than ${SLOW_MS} ms over ${WINDOW_MS / 1000} s, so that leases in memory serve without it. See docs/troubleshooting.md#a-slow-store`

const STORE_CONTENT: Readonly<Record<StoreIntegrity, string>> = {
  sound: 'as it was left',
  wiped: 'lost: restore it, or POST /store/accept; see docs/runbooks.md#a-store-that-was-reset',
  rewound: 'changes that were acknowledged are missing; see the log, then POST /store/accept',
}

const withTrouble = (what: string, { trouble }: StoreState): string =>
  trouble === undefined ? what : `${what}: ${trouble}`

function checksOf(store: StoreState): readonly ReadinessCheck[] {
  const { integrity, evictionPolicy, trouble, corrupt, age } = store
  return [
    { name: 'store_trouble', ok: trouble === undefined, detail: trouble ?? 'none' },
    {
      name: 'store_records',
      ok: corrupt === 0,
      detail:
        corrupt === 0
          ? 'every record that was read verifies'
          : `${corrupt} records do not verify, and are not used; the log names them`,
    },
    { name: 'store_content', ok: integrity === 'sound', detail: STORE_CONTENT[integrity] },
    ageCheck(age),
    {
      name: 'store_eviction',
      ok: evictionPolicy === 'noeviction',
      detail: evictionText(evictionPolicy),
    },
  ]
}

/** `docs/runbooks.md#a-store-that-may-be-an-old-one` has the remedy. */
function ageCheck(age: CustodyAge | undefined): ReadinessCheck {
  const name = 'store_age'
  if (age?.doubt) return { name, ok: false, detail: DOUBTS[age.doubt.kind] }
  if (age === undefined) return { name, ok: true, detail: 'not looked at yet' }
  if (age.knownRun !== null && age.knownRun !== age.run) {
    const detail = 'the store began anew: whether it lacks anything is not known yet'
    return { name, ok: true, detail }
  }
  const detail =
    age.run === ''
      ? 'no presentation is known that it lacks; a restart cannot be told (INFO cannot be run)'
      : 'no presentation of a refresh token is known that it lacks'
  return { name, ok: true, detail }
}

const DOUBTS: Readonly<Record<DoubtKind, string>> = {
  doubted:
    'it may be an old one: refresh tokens wait until Salesforce says that they live, or POST /store/accept',
  rewound:
    'it went back in time: refresh tokens wait until Salesforce says that they live, or POST /store/accept',
}

function evictionText(policy: string | undefined): string {
  if (policy === 'noeviction') return 'nothing is dropped when memory is full'
  return policy === undefined
    ? 'unknown: INFO cannot be run; see that maxmemory-policy is noeviction (docs/redis.md#eviction)'
    : `maxmemory-policy is ${policy}, and must be noeviction`
}
