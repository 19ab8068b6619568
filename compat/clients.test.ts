/** The clients of the table with this name. `npm run compat -- clients` runs it for each of them. */
import t from 'tap'
import { CLIENT_ROWS } from '../test/clients/table.ts'
import { tryClients } from '../test/clients/try-clients.ts'

const { COMPAT_CLIENT } = process.env
await tryClients(
  t,
  CLIENT_ROWS.filter(({ name }) => name === COMPAT_CLIENT),
)
