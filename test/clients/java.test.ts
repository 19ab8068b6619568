import t from 'tap'
import { rowsInCi } from './table.ts'
import { tryClients } from './try-clients.ts'

await tryClients(t, rowsInCi('nimbus', 'spring', 'wsc'))
