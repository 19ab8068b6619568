import type { Budgets, Charge, ChargeResult } from '../budgets.ts'
import { text } from '../keys.ts'
import type { Locks } from '../store.ts'
import { type EmbeddedDatabase, type Statements, sqlNumber } from './database.ts'
import { readPublic } from './integrations.ts'

const BUCKETS = 60

interface Bucket {
  readonly bucket: number
  readonly amount: number
}

interface EmbeddedBudgetsDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
  readonly locks: Pick<Locks, 'acquire'>
}

export function createEmbeddedBudgets(dependencies: EmbeddedBudgetsDependencies): Budgets {
  const { database, now, locks } = dependencies

  const take = (transaction: Statements, charges: readonly Charge[]): ChargeResult => {
    const time = now()
    const pending = new Map<string, number>()
    for (const charge of charges) {
      const budget = `${charge.windowMs}:${charge.key}`
      const before = pending.get(budget) ?? 0
      const retryAt = whenGranted(spent(transaction, charge, time), before, charge, time)
      if (retryAt !== undefined) return { granted: false, key: charge.key, retryAt }
      pending.set(budget, before + (charge.amount ?? 1))
    }
    for (const charge of charges) spend(transaction, charge, time)
    return { granted: true }
  }

  return {
    async take(charges) {
      // Without the last charges, a user is still far from the limit of Salesforce.
      return database.writeSoon((transaction) => take(transaction, charges))
    },

    async takeUnderLock(charges, { name, owner, ttlMs, uid, version, orev }) {
      if (!(await locks.acquire(name, owner, ttlMs))) return 'locked'
      return database.writeSoon((transaction) => {
        const record = readPublic(transaction, name)
        const isSame = record?.uid === uid && record.version === version && record.orev === orev
        return isSame ? take(transaction, charges) : 'changed'
      })
    },

    async used(key, windowMs) {
      return database.read((statements) => sum(spent(statements, { key, windowMs }, now())))
    },
  }
}

/** Undefined: granted. Otherwise the time at which the window has room. */
function whenGranted(
  buckets: readonly Bucket[],
  pending: number,
  { limit, windowMs, amount = 1 }: Charge,
  now: number,
): number | undefined {
  const width = windowMs / BUCKETS
  let excess = sum(buckets) + pending + Math.max(amount, 1) - limit
  if (excess <= 0) return undefined
  for (const { bucket, amount: freed } of buckets) {
    excess -= freed
    if (excess <= 0) return Math.ceil((bucket + BUCKETS + 1) * width)
  }
  return Math.ceil(now + windowMs + width)
}

/** Amounts that count now, oldest first. A bucket counts until it has left the window completely, so that no window exceeds the limit. */
function spent(
  statements: Statements,
  { key, windowMs }: Pick<Charge, 'key' | 'windowMs'>,
  now: number,
): readonly Bucket[] {
  const oldest = Math.floor(now / (windowMs / BUCKETS)) - BUCKETS
  return statements
    .all(
      `SELECT bucket, amount FROM budgets
       WHERE key = ? AND window_ms = ? AND bucket >= ? ORDER BY bucket`,
      text(key),
      windowMs,
      oldest,
    )
    .map((row) => ({ bucket: sqlNumber(row.bucket), amount: sqlNumber(row.amount) }))
}

function spend(statements: Statements, { key, windowMs, amount = 1 }: Charge, now: number): void {
  const current = Math.floor(now / (windowMs / BUCKETS))
  statements.run(
    'DELETE FROM budgets WHERE key = ? AND window_ms = ? AND bucket < ?',
    key,
    windowMs,
    current - BUCKETS,
  )
  if (amount === 0) return
  statements.run(
    `INSERT INTO budgets VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET amount = amount + excluded.amount`,
    key,
    windowMs,
    current,
    amount,
  )
}

function sum(buckets: readonly Bucket[]): number {
  return buckets.reduce((total, { amount }) => total + amount, 0)
}
