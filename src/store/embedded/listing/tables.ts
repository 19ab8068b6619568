/**
 * Tables of the listing index, and the triggers that mark its entries. The triggers are in the file,
 * so that an older release that writes to it marks them, too.
 */
import type { DatabaseSync } from 'node:sqlite'
import { INDEXED_KINDS } from '../../listing/listing-index.ts'

const TABLES = `
CREATE TABLE listing_stale (name TEXT PRIMARY KEY, mark INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE listing_entries (
  name TEXT PRIMARY KEY,
  is_steady INTEGER NOT NULL,
  groups TEXT NOT NULL,
  turns_at INTEGER,
  ends_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX listing_by_turn ON listing_entries (turns_at) WHERE turns_at IS NOT NULL;
CREATE INDEX listing_by_end ON listing_entries (ends_at) WHERE ends_at IS NOT NULL;
CREATE TABLE listing_groups (
  name_of TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (name_of, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE listing_counts (
  name_of TEXT PRIMARY KEY,
  family TEXT NOT NULL,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX listing_by_count ON listing_counts (family, count);
`

/** Marks the name that the expression gives. A mark differs from each earlier one. The statement that fires a trigger decides about conflicts, so that REPLACE would not replace. */
const markOf = (name: string) => `DELETE FROM listing_stale WHERE name = ${name};
INSERT INTO listing_stale VALUES (${name}, ${NEXT_MARK});`

/** 52 random bits. */
export const NEXT_MARK = 'random() & 4503599627370495'

/** Marks every integration. */
export const MARK_ALL = `INSERT OR REPLACE INTO listing_stale SELECT name, ${NEXT_MARK} FROM integrations;`

const IS_STEADY = 'EXISTS (SELECT 1 FROM listing_entries WHERE name = NEW.name AND is_steady = 1)'

const kinds = INDEXED_KINDS.map((kind) => `'${kind}'`).join(', ')

/** When an entry may be wrong afterwards, by table. */
const MARKS = [
  { name: 'added', on: 'INSERT ON integrations', of: 'NEW.name' },
  { name: 'changed', on: 'UPDATE OF uid, digests, definition ON integrations', of: 'NEW.name' },
  { name: 'removed', on: 'DELETE ON integrations', of: 'OLD.name' },
  {
    ...{ name: 'refused', on: 'UPDATE OF refusal_body, refusal_version, refusal_ends ON outcomes' },
    ...{ of: 'NEW.name', when: 'NEW.refusal_body IS NOT OLD.refusal_body' },
  },
  {
    ...{ name: 'leased', on: 'UPDATE OF lease_digest, lease_token, lease_ends ON outcomes' },
    ...{
      of: 'NEW.name',
      when: `(NEW.lease_token, NEW.lease_ends) IS NOT (OLD.lease_token, OLD.lease_ends) AND NOT ${IS_STEADY}`,
    },
  },
  { name: 'outcome_removed', on: 'DELETE ON outcomes', of: 'OLD.name' },
  { name: 'connected', on: 'INSERT ON custody', of: 'NEW.name' },
  {
    ...{ name: 'connection_changed', on: 'UPDATE OF uid, state, body ON custody', of: 'NEW.name' },
    when: `OLD.uid <> NEW.uid OR OLD.body <> NEW.body OR (OLD.state = 'dead') <> (NEW.state = 'dead')`,
  },
  { name: 'connection_removed', on: 'DELETE ON custody', of: 'OLD.name' },
  ...(['INSERT', 'UPDATE', 'DELETE'] as const).map((on) => {
    const row = on === 'DELETE' ? 'OLD' : 'NEW'
    const name = `document_${on.toLowerCase()}`
    return { name, on: `${on} ON documents`, of: `${row}.id`, when: `${row}.kind IN (${kinds})` }
  }),
] as const satisfies readonly { name: string; on: string; of: string; when?: string }[]

const triggers = MARKS.map((row) => {
  const when = 'when' in row ? `WHEN ${row.when}` : ''
  const name = `listing_${row.name}`
  return `DROP TRIGGER IF EXISTS ${name};
CREATE TRIGGER ${name} AFTER ${row.on} FOR EACH ROW ${when} BEGIN ${markOf(row.of)} END;`
}).join('\n')

/** For a file without an index, marks every integration. Needs all other tables, and no transaction. */
export function prepareListing(db: DatabaseSync): void {
  const exists = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'listing_stale'`).get()
  const first = exists === undefined ? [TABLES, MARK_ALL] : []
  db.exec(['BEGIN IMMEDIATE;', ...first, triggers, 'COMMIT'].join('\n'))
}
