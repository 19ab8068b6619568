/** Limits the logins of each integration and each user. Salesforce locks out a user after too many logins. */
import { BrokerError } from '../../errors/errors.ts'
import { grantOf } from '../../grants/index.ts'
import { isAtSource } from '../../grants/refusals/refusals.ts'
import type { TokenSubject } from '../../identity/subject.ts'
import type { Integration } from '../../integrations/integration.ts'
import type { Budgets, Charge, ChargeResult, ChargeUnderLock } from '../../store/budgets.ts'
import { isTransient, saysNothing } from './refusal-memory.ts'

export type LoginBudget = ReturnType<typeof createLoginBudget>

interface LoginBudgetDependencies {
  readonly budgets: Pick<Budgets, 'take' | 'takeUnderLock'>
  readonly now: () => number
}

/** What the store found when it gave the lock. */
export interface TakenLock {
  /** Whether the integration and its outcome are as this replica knows them. */
  readonly isUnchanged: boolean
  /** Whether a login for this subject was charged together with the lock. Throws `login_budget_exhausted`. */
  isPaid(subject: BudgetSubject | undefined): boolean
}

export type BudgetSubject = Pick<TokenSubject, 'orgId' | 'userId'>

export const HOUR_MS = 3_600_000
/** Salesforce's limit is 3,600. Above it, the user cannot log in at all. */
const USER_LIMIT = 3_000
/** Shares of the budget for `rejected` of callers, and for the doctor and activations of operators. The rest is kept for requests for a token. */
const SHARES = {
  rejected: { of: 1 / 4, least: 1, what: 'Rejected tokens have used up their quarter' },
  // During propagation, one failed proof costs twelve logins.
  proof: { of: 1 / 2, least: 12, what: 'Proofs of credentials have used up their half' },
  doctor: { of: 1 / 2, least: 5, what: 'The doctor has used up its half' },
} as const

type BudgetShare = keyof typeof SHARES

/** Logins to charge to the integration and to its user: 0 or 1. With 0, the budget only has to have room. */
export interface Charged {
  readonly own: number
  readonly user: number
}

const LOGIN: Charged = { own: 1, user: 1 }
/** Before a probe, whose result decides what it costs. */
export const ROOM: Charged = { own: 0, user: 0 }

/**
 * What a probe cost, by its result. There are some two thousand probes in an hour without
 * Salesforce, so those that are no login must not use up the budgets. An answer that there is no
 * service is no login. Salesforce may have counted one without a clear answer, so the user pays
 * for it. Undefined: nothing.
 */
export function chargedForProbe(error?: unknown): Charged | undefined {
  if (saysNothing(error) || isAtSource(error)) return undefined
  if (!isTransient(error)) return LOGIN
  const isAnswered = error instanceof BrokerError && error.code === 'salesforce_unavailable'
  return isAnswered ? undefined : { own: 0, user: 1 }
}

export const loginBudgetKey = ({ uid }: Pick<Integration, 'uid'>): string => `login:${uid}`

/** The org and user if a token has shown them, otherwise the subject in the settings. */
export function userBudgetKey(
  { loginUrl, grant }: Integration,
  subject: BudgetSubject | undefined,
): string {
  return subject?.orgId && subject.userId
    ? `login-user:${subject.orgId.slice(0, 15)}:${subject.userId.slice(0, 15)}`
    : `login-user:${loginUrl}:${grant.clientId ?? ''}:${grantOf(grant.type).subject(grant)}`
}

export function createLoginBudget({ budgets, now }: LoginBudgetDependencies) {
  const chargesOf = (
    integration: Integration,
    subject: BudgetSubject | undefined,
    { own, user } = LOGIN,
  ): Charge[] => [
    {
      ...{ key: loginBudgetKey(integration), limit: integration.loginsPerHour },
      ...{ windowMs: HOUR_MS, amount: own },
    },
    {
      ...{ key: userBudgetKey(integration, subject), limit: USER_LIMIT },
      ...{ windowMs: HOUR_MS, amount: user },
    },
  ]

  const requireGranted = (result: ChargeResult): void => {
    if (result.granted) return
    throw new BrokerError('login_budget_exhausted', detailOf(result.key), {
      retryAfterMs: Math.max(1_000, result.retryAt - now()),
    })
  }

  return {
    /** Charges one login before it is sent. `share` limits an optional login to a part of the budget. Throws `login_budget_exhausted`. */
    async charge(
      integration: Integration,
      subject: TokenSubject | undefined,
      share?: BudgetShare,
      charged: Charged = LOGIN,
    ): Promise<void> {
      const { loginsPerHour } = integration
      const charges = chargesOf(integration, subject, charged)
      if (share) {
        const { of, least } = SHARES[share]
        const limit = Math.max(least, Math.floor(loginsPerHour * of))
        const key = `${loginBudgetKey(integration)}:${share}`
        charges.push({ key, limit, windowMs: HOUR_MS, amount: charged.own })
      }
      requireGranted(await budgets.take(charges))
    },
    /** Takes the lock of an integration together with the charge for one login, if it has this outcome still. Undefined: another owner has the lock. */
    async chargeUnderLock(
      integration: Integration,
      subject: BudgetSubject | undefined,
      lock: Pick<ChargeUnderLock, 'owner' | 'ttlMs' | 'orev'>,
    ): Promise<TakenLock | undefined> {
      const { name, uid, version } = integration
      const state = { ...lock, name, uid, version }
      const result = await budgets.takeUnderLock(chargesOf(integration, subject), state)
      if (result === 'locked') return undefined
      const key = userBudgetKey(integration, subject)
      return {
        isUnchanged: result !== 'changed',
        isPaid(actual) {
          if (result === 'changed' || userBudgetKey(integration, actual) !== key) return false
          requireGranted(result)
          return true
        },
      }
    },
  }
}

function detailOf(key: string): string {
  const share = Object.entries(SHARES).find(([name]) => key.endsWith(`:${name}`))
  if (share) return `${share[1].what} of logins_per_hour`
  return key.startsWith('login-user:')
    ? 'All integrations of this Salesforce user together have used up its logins of this hour'
    : 'The integration has used up its logins_per_hour'
}
