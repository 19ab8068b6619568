import type { Custodies, CustodyRecord, CustodyState } from '../custody.ts'
import { integrationName } from '../keys.ts'
import {
  countNoted,
  createEmbeddedCustodyAge,
  type EmbeddedCustodyAgeDependencies,
  readAge,
} from './custody-age.ts'
import { type Statements, sqlNumber, sqlText, type Transaction } from './database.ts'
import { claimInTable } from './due.ts'
import { readPublic } from './integrations.ts'

/** Returns the changed members, or undefined to refuse the transition. */
type Transition = (record: CustodyRecord) => Partial<CustodyRecord> | undefined

export function createEmbeddedCustodies(dependencies: EmbeddedCustodyAgeDependencies): Custodies {
  const { database, now, run } = dependencies
  const change = (
    transaction: Transaction,
    name: string,
    lookAt: number | null,
    transition: Transition,
  ): boolean => {
    const record = read(transaction, name)
    const changes = record && transition(record)
    if (!record || !changes) return false
    const { g, token, state, id, at, keptAt, isFinal, reason } = { ...record, ...changes }
    transaction.run(
      `UPDATE custody SET g = ?, token = ?, state = ?, id = ?, at = ?, kept_at = ?, is_final = ?,
         reason = ?, look_at = ? WHERE name = ?`,
      ...[g, token, state, id, at, keptAt, Number(isFinal)],
      ...[reason, lookAt, name],
    )
    transaction.announce({ type: 'custody', name })
    return true
  }

  return {
    ...createEmbeddedCustodyAge(dependencies),

    async read(name) {
      return { record: database.read((to) => read(to, name)), now: now() }
    },

    async begin(name, { uid, expected, family, token, reason, body, lookInMs }) {
      return database.write((transaction) => {
        if (readPublic(transaction, name)?.uid !== uid) return 'gone'
        if ((read(transaction, name)?.family ?? null) !== expected) return 'changed'
        const time = now()
        const isDead = token === ''
        transaction.run(
          `INSERT OR REPLACE INTO custody
           VALUES (?, ?, ?, 0, ?, ?, '', ?, ?, 0, ?, ?, ?)`,
          ...[name, uid, family, token, isDead ? 'dead' : 'idle', time, time],
          ...[reason, body, isDead ? null : time + lookInMs],
        )
        transaction.announce({ type: 'custody', name })
        return 'begun'
      })
    },

    async spend(name, { family, g, id, next, isFinal, noted, lookInMs }) {
      return database.write((transaction) => {
        const age = readAge(transaction)
        if (age.noted < noted) return 'rewound'
        if (age.knownRun !== run) return 'new_run'
        const at = now()
        const isSpent = change(transaction, name, at + lookInMs, (stored) =>
          stored.family === family && stored.g === g && stored.id === id && stored.state !== 'dead'
            ? { state: 'spend', id: next, at, isFinal }
            : undefined,
        )
        return isSpent ? countNoted(transaction) : 'changed'
      })
    },

    async unspend(name, id, lookInMs) {
      const at = now()
      return database.write((transaction) =>
        change(transaction, name, at + lookInMs, (stored) =>
          stored.id === id && stored.state === 'spend'
            ? { state: 'idle', at, isFinal: false }
            : undefined,
        ),
      )
    },

    async keep(name, { family, g, token, lookInMs, doubt }) {
      const at = now()
      return database.write((transaction) => {
        if (read(transaction, name)?.family !== family) return false
        change(transaction, name, at + lookInMs, (stored) =>
          stored.g < g
            ? {
                ...{ g, token, at, keptAt: at, isFinal: false, reason: '' },
                ...(doubt === undefined ? { state: 'idle' } : { state: 'spend', id: doubt }),
              }
            : undefined,
        )
        return true
      })
    },

    async kill(name, { family, g, id, reason }) {
      return database.write((transaction) =>
        change(transaction, name, null, (stored) =>
          stored.family === family && stored.g === g && stored.id === id && stored.state !== 'dead'
            ? { state: 'dead', at: now(), reason }
            : undefined,
        ),
      )
    },

    claim: (limit, postponeMs) =>
      claimInTable(
        { database, now, table: 'custody', time: 'look_at', write: database.write },
        limit,
        postponeMs,
      ),

    async lookAt(name, at) {
      await database.write(({ run }) =>
        run(
          'UPDATE custody SET look_at = ? WHERE name = ? AND look_at IS NOT NULL',
          at,
          integrationName(name),
        ),
      )
    },
  }
}

function read(statements: Statements, name: string): CustodyRecord | undefined {
  const row = statements.get('SELECT * FROM custody WHERE name = ?', integrationName(name))
  return (
    row && {
      uid: sqlText(row.uid),
      family: sqlText(row.family),
      g: sqlNumber(row.g),
      token: sqlText(row.token),
      state: sqlText(row.state) as CustodyState,
      id: sqlText(row.id),
      at: sqlNumber(row.at),
      keptAt: sqlNumber(row.kept_at),
      isFinal: sqlNumber(row.is_final) === 1,
      reason: sqlText(row.reason),
      body: sqlText(row.body),
    }
  )
}
