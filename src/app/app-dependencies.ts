/** Dependencies of the whole service: settings, store, keyring, and replacements for tests. */

import type { LineOutput } from '../audit/output/line-output.ts'
import type { Config } from '../config/config.ts'
import type { ReadFile } from '../config/loader.ts'
import type { Keyring } from '../crypto/keyring.ts'
import type { Secret } from '../crypto/secret.ts'
import type { OutboundDependencies } from '../http/outbound/outbound.ts'
import type { DrainTimes } from '../http/server/drain.ts'
import type { ServerTls } from '../http/server/tls.ts'
import type { HeldDataKeys } from '../keyring/data-keys/data-key-maintainer.ts'
import type { Logger } from '../logger/logger.ts'
import type { ProcessRuntime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import type { Tracing } from '../tracing/tracing.ts'

export interface AppDependencies {
  readonly config: Config
  readonly log: Logger
  readonly runtime: ProcessRuntime
  readonly store: Store
  readonly keys: {
    readonly keyring: Keyring
    /** Default: none; the keyring is all in the setting. */
    readonly dataKeys?: HeldDataKeys
    readonly adminKeys: readonly Secret[]
  }
  /** Absent: there are no traces. */
  readonly tracing?: Tracing | undefined
  readonly environment: AppEnvironment
}

export interface AppEnvironment {
  readonly version: string
  /** Reads the configuration file and the files that it names. */
  readonly readFile: ReadFile
  /** Destination of audit lines. */
  readonly auditOutput: LineOutput
  /** Number of dropped log lines. Default: none. */
  readonly droppedLogLines?: () => number
  /** Absent: plain HTTP. */
  readonly tls?: ServerTls
  /** How long a stop waits for callers to close their connections. Default: not at all. */
  readonly drainTimes?: DrainTimes
  /** For tests: resolves names. */
  readonly lookup?: OutboundDependencies['lookup']
}
