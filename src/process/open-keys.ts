/** The keyring of this process, as its settings and its store have it. */
import type { Config } from '../config/config.ts'
import { planKeyring } from '../config/keyring-keys.ts'
import type { ReadFile } from '../config/loader.ts'
import type { Secret } from '../crypto/secret.ts'
import type { ServerTls } from '../http/server/tls.ts'
import { openKeyring } from '../keyring/data-keys/open-keyring.ts'
import type { Logger } from '../logger/logger.ts'
import type { ProcessRuntime } from '../runtime/runtime.ts'
import { composeWrappers } from '../signers/compose.ts'
import type { Store } from '../store/store.ts'
import { waitForKeyring } from './waiting.ts'

interface OpenKeysDependencies {
  readonly config: Config
  readonly keyring: Secret
  readonly store: Store
  readonly readFile: ReadFile
  readonly tls: ServerTls | undefined
  readonly runtime: ProcessRuntime
  readonly log: Logger
}

/** Waits until the keyring can be opened. Undefined: a signal ended the wait, and the process exits. Throws `ConfigError`. */
export async function openKeys(dependencies: OpenKeysDependencies) {
  const { config, keyring, store, readFile, tls, runtime, log } = dependencies
  const { entries, wrappings } = planKeyring(keyring, config.signersFile, readFile)
  const wrappers = composeWrappers({ settings: wrappings, runtime, log })
  const { documents } = store
  const open = () => openKeyring({ entries, wrappers, documents, now: runtime.now, makes: true })
  const opened = await waitForKeyring(open, {
    config,
    tls,
    runtime,
    storeTrouble: store.trouble,
    log,
  })
  if (opened) return { keyring: opened.keyring, dataKeys: { opened: opened.dataKeys, wrappers } }
  await wrappers.stop()
  await store.close()
  log.info('stopped')
  log.flush(() => process.exit(0))
  return undefined
}
