/** Cursors of the change stream: the store, the number of its changes until here, and what an engine appends. */
import type { Pulse } from '../records.ts'

const PLACE = /^([^/]+)\/(\d{1,15})(?:\/|$)/

/** Whether the store has exactly the changes until this cursor. A lower count is another state of the store. */
export function isAt(cursor: string, { id, seq }: Pick<Pulse, 'id' | 'seq'>): boolean {
  const [, cursorId, count] = PLACE.exec(cursor) ?? []
  return cursorId === id && Number(count) === seq
}
