/** Tables of the embedded store and their migrations. */
import type { DatabaseSync } from 'node:sqlite'
import { DEFAULT_SHARE } from '../keys.ts'
import { prepareListing } from './listing/tables.ts'

/** Schema version. A higher number in a database shows a newer release. */
const TABLES_VERSION = 1

const TABLES = `
CREATE TABLE meta (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  tables_version INTEGER NOT NULL,
  id TEXT NOT NULL,
  seq INTEGER NOT NULL
) STRICT;
CREATE TABLE integrations (
  name TEXT PRIMARY KEY,
  uid TEXT NOT NULL,
  version INTEGER NOT NULL,
  rev INTEGER NOT NULL,
  orev INTEGER NOT NULL,
  digests TEXT NOT NULL,
  definition TEXT NOT NULL,
  secrets TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outcomes (
  name TEXT PRIMARY KEY REFERENCES integrations (name) ON DELETE CASCADE,
  lease_body TEXT,
  lease_digest TEXT,
  lease_token TEXT,
  lease_ends INTEGER,
  refusal_body TEXT,
  refusal_version INTEGER,
  refusal_ends INTEGER,
  live_token TEXT,
  live_ends INTEGER,
  live_count INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX outcomes_by_token ON outcomes (lease_token);
CREATE TABLE dead (token_id TEXT PRIMARY KEY, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE due (name TEXT PRIMARY KEY, due_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX due_by_time ON due (due_at, name);
CREATE TABLE budgets (
  key TEXT NOT NULL,
  window_ms INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (key, window_ms, bucket)
) STRICT, WITHOUT ROWID;
CREATE TABLE documents (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  ends INTEGER,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_end ON documents (ends) WHERE ends IS NOT NULL;
CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;
`

/** Has a row if the file was created again in a used folder. */
const LOST =
  'CREATE TABLE IF NOT EXISTS lost (only_row INTEGER PRIMARY KEY CHECK (only_row = 1)) STRICT;'

/** Tables that databases of older releases lack. */
const LATER_TABLES = `
CREATE TABLE IF NOT EXISTS custody (
  name TEXT PRIMARY KEY REFERENCES integrations (name) ON DELETE CASCADE,
  uid TEXT NOT NULL,
  family TEXT NOT NULL,
  g INTEGER NOT NULL,
  token TEXT NOT NULL,
  state TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  kept_at INTEGER NOT NULL,
  is_final INTEGER NOT NULL,
  reason TEXT NOT NULL,
  body TEXT NOT NULL,
  look_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS custody_by_look ON custody (look_at, name) WHERE look_at IS NOT NULL;
${LOST}
CREATE TABLE IF NOT EXISTS custody_age (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  noted INTEGER NOT NULL,
  known_run TEXT,
  doubted_run TEXT,
  doubt TEXT,
  doubt_point TEXT,
  branch TEXT NOT NULL
) STRICT;
INSERT OR IGNORE INTO custody_age VALUES (1, 0, NULL, NULL, NULL, NULL, '');
CREATE TABLE IF NOT EXISTS integration_macs (
  name TEXT PRIMARY KEY REFERENCES integrations (name) ON DELETE CASCADE,
  mac TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document_macs (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  mac TEXT NOT NULL,
  PRIMARY KEY (kind, id),
  FOREIGN KEY (kind, id) REFERENCES documents (kind, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
`

/** Columns and indexes of the event table that older releases lack. */
const LATER_COLUMNS = [
  `ALTER TABLE events ADD COLUMN share TEXT NOT NULL DEFAULT '${DEFAULT_SHARE}'`,
  'ALTER TABLE events ADD COLUMN line TEXT',
]
const LATER_INDEXES = `
CREATE INDEX IF NOT EXISTS events_by_share ON events (share, line IS NULL, id);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_line ON events (share, line) WHERE line IS NOT NULL;
`

/** Returns `meta` and whether the file replaces a lost one (`isLost`). Throws an `Error` that names the folder if a newer release wrote it. */
export function prepareTables(
  db: DatabaseSync,
  {
    dataDir,
    newId,
    wasUsed,
  }: { readonly dataDir: string; readonly newId: () => string; readonly wasUsed: boolean },
): { readonly id: string; readonly seq: number; readonly isLost: boolean } {
  const exists = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'meta'`).get() !== undefined
  if (!exists) {
    db.exec(`BEGIN IMMEDIATE; ${TABLES}; ${LOST}`)
    if (wasUsed) db.exec('INSERT INTO lost VALUES (1)')
    db.prepare('INSERT INTO meta VALUES (1, ?, ?, 0)').run(TABLES_VERSION, newId())
    db.exec('COMMIT')
  }
  const meta = db.prepare('SELECT tables_version, id, seq FROM meta').get()
  if (meta === undefined || Number(meta.tables_version) > TABLES_VERSION) {
    db.close()
    throw new Error(`The data folder ${dataDir} was written by a newer release; run that release`)
  }
  const hasShares = db
    .prepare(`SELECT 1 FROM pragma_table_info('events') WHERE name = 'share'`)
    .get()
  const columns = hasShares === undefined ? LATER_COLUMNS : []
  db.exec(['BEGIN IMMEDIATE', ...columns, LATER_TABLES, LATER_INDEXES, 'COMMIT'].join(';'))
  prepareListing(db)
  const isLost = db.prepare('SELECT 1 FROM lost').get() !== undefined
  return { id: String(meta.id), seq: Number(meta.seq), isLost }
}
