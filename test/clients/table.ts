/** The table of clients. The tests run it, and the documents show it. */
import type { ClientRow } from './client-row.ts'
import { NODE_ROWS } from './node-rows.ts'

export const CLIENT_ROWS: readonly ClientRow[] = [...NODE_ROWS]
