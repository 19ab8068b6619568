import { BrokerError } from '../../errors/errors.ts'
import { DEFAULT_SHARE, eventShare, pageLimit, text } from '../keys.ts'
import type { EventLog } from '../store.ts'
import { type EmbeddedDatabase, type Statements, sqlNumber, sqlText } from './database.ts'

const EVENT_ID = /^\d{1,15}$/

/** Uses the index of one share. */
const PAGE = `SELECT id, body FROM events
  WHERE share = ? AND (line IS NULL) = ? AND id < ? ORDER BY id DESC LIMIT ?`

export function createEmbeddedEvents({
  database,
}: {
  readonly database: EmbeddedDatabase
}): EventLog {
  /** Cached, because no other process writes the file. By share, separately for entries and lines. */
  const counts = new Map<string, number>()

  const countOf = (share: string, isEntry: 0 | 1, { get }: Statements): number => {
    const sql = 'SELECT count(*) AS n FROM events WHERE share = ? AND (line IS NULL) = ?'
    return counts.get(`${share} ${isEntry}`) ?? sqlNumber(get(sql, share, isEntry)?.n)
  }

  /** A write that fails may have counted already. */
  const counting = async (share: string, isEntry: 0 | 1, written: Promise<unknown>) => {
    try {
      await written
    } catch (error) {
      counts.delete(`${share} ${isEntry}`)
      throw error
    }
  }

  const writing = (isDurable: boolean) => (isDurable ? database.write : database.writeSoon)

  const trim = (
    share: string,
    isEntry: 0 | 1,
    count: number,
    keep: number,
    { run }: Statements,
  ) => {
    counts.set(`${share} ${isEntry}`, Math.min(count, keep))
    if (count <= keep) return
    run(
      `DELETE FROM events WHERE id IN
         (SELECT id FROM events WHERE share = ? AND (line IS NULL) = ? ORDER BY id LIMIT ?)`,
      share,
      isEntry,
      count - keep,
    )
  }

  return {
    async append(bodies, keep, { share = DEFAULT_SHARE, isDurable = true } = {}) {
      if (bodies.length === 0) return
      const written = writing(isDurable)((statements) => {
        const count = countOf(eventShare(share), 1, statements)
        for (const body of bodies) {
          statements.run('INSERT INTO events (share, body) VALUES (?, ?)', share, body)
        }
        trim(share, 1, count + bodies.length, keep, statements)
      })
      await counting(share, 1, written)
    },

    async put(lines, keep, { share = DEFAULT_SHARE, isDurable = true } = {}) {
      if (lines.length === 0) return
      const written = writing(isDurable)((statements) => {
        let count = countOf(eventShare(share), 0, statements)
        for (const { key, body } of lines) {
          const sql = 'DELETE FROM events WHERE share = ? AND line = ?'
          count += 1 - statements.run(sql, share, text(key))
          statements.run(
            'INSERT INTO events (share, line, body) VALUES (?, ?, ?)',
            ...[share, key, body],
          )
        }
        trim(share, 0, count, keep, statements)
      })
      await counting(share, 0, written)
    },

    async read({ limit, before, shares = [DEFAULT_SHARE] }) {
      if (before !== undefined && !EVENT_ID.test(before)) {
        throw new BrokerError('request_invalid', 'The cursor is not valid for this list')
      }
      const end = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before)
      const most = pageLimit(limit)
      return database
        .read(({ all }) =>
          shares.flatMap((share) =>
            [0, 1].flatMap((isEntry) => all(PAGE, eventShare(share), isEntry, end, most)),
          ),
        )
        .map((row) => ({ id: sqlNumber(row.id), body: sqlText(row.body) }))
        .sort((one, other) => other.id - one.id)
        .slice(0, most)
        .map(({ id, body }) => ({ id: String(id), body }))
    },
  }
}
