import {
  type CustodyAges,
  DOUBTED_PREFIX,
  type DoubtKind,
  type Noted,
  UNANSWERED_SUFFIX,
} from '../custody-age.ts'
import {
  type EmbeddedDatabase,
  type Statements,
  sqlNumber,
  sqlText,
  type Transaction,
  toTextOrNull,
} from './database.ts'

export interface EmbeddedCustodyAgeDependencies {
  readonly database: EmbeddedDatabase
  readonly now: () => number
  /** Identifies this process: another one may open another file. */
  readonly run: string
}

/** Delay until the check of an idle token. */
const LOOK_MS = 60_000
const IS_DOUBTED = `state = 'spend' AND substr(id, 1, ${DOUBTED_PREFIX.length}) = '${DOUBTED_PREFIX}'`

export function readAge({ get }: Statements) {
  const row = get('SELECT * FROM custody_age')
  const doubt = toTextOrNull(row?.doubt) as DoubtKind | null
  const noted = sqlNumber(row?.noted)
  return {
    knownRun: toTextOrNull(row?.known_run),
    doubtedRun: toTextOrNull(row?.doubted_run),
    noted,
    point: `${sqlText(row?.branch)}/${noted}`,
    doubt: doubt && { kind: doubt, point: sqlText(row?.doubt_point) },
  }
}

export function countNoted(transaction: Transaction): Noted {
  transaction.run('UPDATE custody_age SET noted = noted + 1')
  const { noted, point, doubt } = readAge(transaction)
  return { noted, point: doubt ? null : point }
}

export function createEmbeddedCustodyAge({
  database,
  now,
  run: ownRun,
}: EmbeddedCustodyAgeDependencies): CustodyAges {
  /** Changes and announces all matching custodies. Returns their number. */
  const changeAll = (
    transaction: Transaction,
    where: string,
    assignments: string,
    ...values: readonly (string | number)[]
  ): number => {
    const rows = transaction.all(`SELECT name FROM custody WHERE ${where}`)
    for (const { name } of rows) {
      transaction.run(`UPDATE custody SET ${assignments} WHERE name = ?`, ...values, sqlText(name))
      transaction.announce({ type: 'custody', name: sqlText(name) })
    }
    return rows.length
  }

  const doubtedCount = ({ get }: Statements) =>
    sqlNumber(get(`SELECT count(*) AS count FROM custody WHERE ${IS_DOUBTED}`)?.count)

  const endDoubt = ({ run }: Transaction) =>
    run('UPDATE custody_age SET doubt = NULL, doubt_point = NULL')

  return {
    async age() {
      return database.read((statements) => {
        const { noted, point, knownRun, doubt } = readAge(statements)
        const of = { id: database.id, run: ownRun, runAt: 0 }
        return { ...of, noted, point, knownRun, doubt, now: now() }
      })
    },

    async vouch(run, point) {
      return database.write((transaction) => {
        const age = readAge(transaction)
        if (run !== ownRun || age.doubt?.kind === 'rewound') return false
        if (point !== null && point !== (age.doubt ?? age).point) return false
        const at = now()
        const id = `substr(id, ${DOUBTED_PREFIX.length + 1})`
        const state = `CASE WHEN id LIKE '%${UNANSWERED_SUFFIX}' THEN 'spend' ELSE 'idle' END`
        const changes = `state = ${state}, id = ${id}, at = ?, look_at = ?`
        changeAll(transaction, IS_DOUBTED, changes, at, at + LOOK_MS)
        transaction.run('UPDATE custody_age SET known_run = ?', run)
        endDoubt(transaction)
        return true
      })
    },

    async distrust({ id, kind, noted, lookInMs }) {
      return database.write((transaction) => {
        const age = readAge(transaction)
        const at = now()
        const isPlain = `state = 'idle' OR (${IS_DOUBTED} AND id NOT LIKE '%${UNANSWERED_SUFFIX}')`
        const changes = `id = ? || CASE WHEN ${isPlain} THEN '' ELSE '${UNANSWERED_SUFFIX}' END,
          is_final = CASE WHEN ${isPlain} THEN 0 ELSE is_final END,
          state = 'spend', at = ?, look_at = ?`
        const count =
          age.doubtedRun === ownRun
            ? 0
            : changeAll(transaction, `state <> 'dead'`, changes, id, at, at + lookInMs)
        const worst = age.doubt?.kind === 'rewound' ? 'rewound' : kind
        const isDoubt = doubtedCount(transaction) > 0
        transaction.run(
          `UPDATE custody_age SET noted = max(noted, ?) + 1, known_run = ?, doubted_run = ?,
             branch = ?, doubt = ?, doubt_point = ?`,
          ...[noted, ownRun, ownRun, id],
          ...[isDoubt ? worst : null, isDoubt ? (age.doubt ?? age).point : null],
        )
        return count
      })
    },

    async takeForRestored({ id, all, forAnyRun, lookInMs }) {
      return database.write((transaction) => {
        const at = now()
        const changes = 'id = ?, look_at = ?'
        const doubted = changeAll(transaction, IS_DOUBTED, changes, id, at + lookInMs)
        const idle = all
          ? changeAll(
              transaction,
              `state = 'idle'`,
              `state = 'spend', is_final = 0, at = ?, ${changes}`,
              ...[at, id, at + lookInMs],
            )
          : 0
        transaction.run(
          'UPDATE custody_age SET known_run = ?, doubted_run = ?, branch = ?',
          ...[forAnyRun ? null : ownRun, ownRun, id],
        )
        endDoubt(transaction)
        return doubted + idle
      })
    },

    async doubted() {
      const count = database.read(doubtedCount)
      if (count === 0) await database.write(endDoubt)
      return count
    },
  }
}
