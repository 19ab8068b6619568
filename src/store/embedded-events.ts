import { BrokerError } from '../errors.ts'
import { type EmbeddedDatabase, toNumber, toText } from './embedded-database.ts'
import { pageLimit } from './keys.ts'
import type { EventLog } from './store.ts'

const EVENT_ID = /^\d{1,15}$/

export function createEmbeddedEvents({
  database,
}: {
  readonly database: EmbeddedDatabase
}): EventLog {
  return {
    async append(bodies, keep) {
      if (bodies.length === 0) return
      database.write(({ get, run }) => {
        for (const body of bodies) run('INSERT INTO events (body) VALUES (?)', body)
        const newest = toNumber(get('SELECT max(id) AS newest FROM events')?.newest)
        run('DELETE FROM events WHERE id <= ?', newest - keep)
      })
    },

    async read({ limit, before }) {
      if (before !== undefined && !EVENT_ID.test(before)) {
        throw new BrokerError('request_invalid', 'The cursor is not one of this list')
      }
      return database
        .read(({ all }) =>
          all(
            'SELECT id, body FROM events WHERE id < ? ORDER BY id DESC LIMIT ?',
            before === undefined ? Number.MAX_SAFE_INTEGER : Number(before),
            pageLimit(limit),
          ),
        )
        .map((row) => ({ id: String(toNumber(row.id)), body: toText(row.body) }))
    },
  }
}
