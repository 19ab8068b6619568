/** The command `valetkey reindex`: builds the listing index again. */
import { readFileSync } from 'node:fs'
import { openStore } from '../app/open-store.ts'
import { CommandError, EXITS } from '../command/exits.ts'
import type { Variables } from '../command/spec.ts'
import { readConfig } from '../config/config.ts'
import { BrokerError } from '../errors/errors.ts'

/** The replicas that run do the work, or those that start next. Throws `ConfigError` and `CommandError`. */
export async function reindex(
  env: Variables,
  { stderr }: { readonly stderr: { write(text: string): unknown } },
): Promise<void> {
  const readFile = (path: string) => readFileSync(path, 'utf8')
  const store = await openStore(readConfig(env, { readFile, needsAdmin: false }))
  try {
    await store.listing.rebuild()
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    throw new CommandError(EXITS.unavailable, error.detail, { cause: error })
  } finally {
    await store.close()
  }
  stderr.write(
    'valetkey: each integration is marked; the service looks at each again while it runs, and lists are right meanwhile\n',
  )
}
