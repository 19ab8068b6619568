/** The parts that the whole service uses. */
import type { Keyring } from '../crypto/keyring.ts'
import type { Events } from '../runtime/events.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { Store } from './store.ts'

/** `Payloads`: the events that the part emits or listens to. */
export interface Core<Payloads> {
  readonly runtime: Runtime
  readonly log: Log
  readonly events: Events<Payloads>
  readonly store: Store
  readonly keyring: Keyring
  /** Aborted when the process begins to stop. Then there are no retries. */
  readonly stopping: AbortSignal
}
