import t from 'tap'
import { NODE_ROWS } from './node-rows.ts'
import { tryClients } from './try-clients.ts'

await tryClients(t, NODE_ROWS)
