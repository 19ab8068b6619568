/** The store and the keyring of the settings, for the commands that copy a store. */
import { readFileSync } from 'node:fs'
import { openStore } from '../app/open-store.ts'
import { type Config, type Environment, readConfig } from '../config/config.ts'
import { findKeyring } from '../config/data-dir.ts'
import { type KeyringPlan, planKeyring } from '../config/keyring-keys.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import { DATA_KEYS, type NamedDataKeys } from '../keyring/data-keys/data-key-record.ts'
import { openKeyring } from '../keyring/data-keys/open-keyring.ts'
import { sleep } from '../runtime/runtime.ts'
import { composeWrappers } from '../signers/compose.ts'
import type { Documents, Store } from '../store/store.ts'
import { BackupError } from './backup-error.ts'
import { parseHead } from './format.ts'

export interface BackupSettings {
  readonly config: Config
  readonly plan: KeyringPlan
  readonly log: Parameters<typeof composeWrappers>[0]['log']
}

type KeyDocuments = Pick<Documents, 'read' | 'write'>

/** Makes the keyring from the data keys of these documents. `makes`: also a data key where a name has none. Default: does not. */
type OpenFrom = (
  documents: KeyDocuments,
  options?: { readonly makes?: boolean },
) => Promise<Keyring>

/** Store time-out, in milliseconds. A page of records is larger than the usual reads of the service. */
const TIMEOUT_MS = 10_000

/** Throws `ConfigError`. */
export async function readSettings(
  env: Environment,
  stderr: { write(text: string): unknown },
): Promise<BackupSettings> {
  const readFile = (path: string) => readFileSync(path, 'utf8')
  const config = readConfig(env, { readFile, needsAdmin: false })
  const plan = planKeyring(await findKeyring(config), config.signersFile, readFile)
  const warn = (_: object | string, message?: string) => {
    if (message !== undefined) stderr.write(`valetkey: ${message}\n`)
  }
  return { config, plan, log: { info: () => undefined, warn } }
}

/** Throws `unavailable` if the store or a signer does not do its part, and `refused` if there is no key. */
export async function withKeys(
  { plan, log }: BackupSettings,
  work: (openFrom: OpenFrom) => Promise<void>,
): Promise<void> {
  const runtime = { monotonic: () => performance.now(), sleep }
  const wrappers = composeWrappers({ settings: plan.wrappings, runtime, log })
  const { entries } = plan
  try {
    await work(async (documents, { makes = false } = {}) => {
      const opened = await openKeyring({ entries, wrappers, documents, now: Date.now, makes })
      return opened.keyring
    })
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : ''
    const remedy = error.remedy === undefined ? '' : `. ${error.remedy}`
    const trouble = error.code === 'record_corrupt' ? 'refused' : 'unavailable'
    throw new BackupError(trouble, `${error.detail}${why}${remedy}`, { cause: error })
  } finally {
    await wrappers.stop()
  }
}

/** The store without its codes. It is closed at the end. */
export async function withEngine(
  { config }: BackupSettings,
  work: (engine: Store) => Promise<void>,
): Promise<void> {
  const engine = await openStore(config, { timeoutMs: TIMEOUT_MS })
  try {
    await work(engine)
  } finally {
    await engine.close()
  }
}

/** The wrapped data keys in the first line of a backup. Throws `refused`. */
export async function dataKeysIn(lines: AsyncGenerator<string>): Promise<readonly NamedDataKeys[]> {
  const first = await lines.next()
  await lines.return(undefined)
  return first.done ? [] : (parseHead(first.value).data_keys ?? [])
}

/** These data keys as documents. They cannot be written. */
export const archivedKeys = (all: readonly NamedDataKeys[]): KeyDocuments => ({
  async read(kind, id) {
    const found = kind === DATA_KEYS.kind ? all.find(({ name }) => name === id) : undefined
    return found && { id, version: 1, body: JSON.stringify({ keys: found.keys }) }
  },
  write: async () => undefined,
})
