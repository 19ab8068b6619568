/** The table of clients. The tests run it, and the documents show it. */
import type { ClientRow, ToolchainName } from './client-row.ts'
import { GO_ROWS } from './go-rows.ts'
import { JAVA_ROWS } from './java-rows.ts'
import { NODE_ROWS } from './node-rows.ts'
import { OTHER_ROWS } from './other-rows.ts'
import { PYTHON_ROWS } from './python-rows.ts'
import { SOAP_ROWS } from './soap-rows.ts'

export const CLIENT_ROWS: readonly ClientRow[] = [
  ...NODE_ROWS,
  ...PYTHON_ROWS,
  ...GO_ROWS,
  ...JAVA_ROWS,
  ...OTHER_ROWS,
  ...SOAP_ROWS,
]

/** Those that each run of the tests tries. */
export const rowsInCi = (...toolchains: readonly ToolchainName[]): readonly ClientRow[] =>
  CLIENT_ROWS.filter(({ toolchain, tried }) => tried === 'ci' && toolchains.includes(toolchain))
