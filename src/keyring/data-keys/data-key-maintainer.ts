/**
 * Keeps the data keys of this process in the store, and learns those that another process put there.
 *
 * The store can lose a document after the start (a failover, a flush, a restore). So this compares it
 * with memory when the change stream names it, after a gap, and every 30 seconds, and puts back what is
 * missing or damaged. `restore` appends the data keys of the backup before it writes records, so all
 * replicas learn them here, and the sealing key stays.
 */
import type { Keyring } from '../../crypto/keyring.ts'
import { BrokerError } from '../../errors/errors.ts'
import { createOutageLogger } from '../../runtime/outage-logger.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { createTask, pauseUntil } from '../../runtime/tasks.ts'
import { isOfSigner } from '../../signers/signing-problem.ts'
import type { Wrapper, Wrappers } from '../../signers/wrapping/wrapping.ts'
import { isCorrupt } from '../../store/integrity/record-schema.ts'
import type { Documents } from '../../store/store.ts'
import {
  addDataKeys,
  DATA_KEYS,
  type DataKey,
  isSameKey,
  unwrapped,
  versionOf,
  type WrappedKey,
  wrapped,
} from './data-key-record.ts'

/** What a process holds of its data keys, and what wraps them. */
export interface HeldDataKeys {
  readonly opened: readonly DataKey[]
  readonly wrappers: Wrappers
}

export interface WrappedBy {
  readonly name: string
  readonly signer: string
  readonly key: string
  readonly keyVersion: number | null
}

export type DataKeyMaintainer = ReturnType<typeof createDataKeyMaintainer>

const RETRY_MS = 5_000

export function createDataKeyMaintainer(dependencies: {
  readonly held: HeldDataKeys
  /** Of the engine. */
  readonly documents: Pick<Documents, 'read' | 'write'>
  readonly keyring: Pick<Keyring, 'learn' | 'keyIds'>
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { documents, keyring, runtime, log } = dependencies
  const { byName } = dependencies.held.wrappers
  const held = new Map(dependencies.held.opened.map((one) => [one.record.id, one]))
  let trouble: string | undefined

  const heldOf = (name: string) => [...held.values()].filter((one) => one.name === name)

  const storedOf = async (name: string): Promise<readonly WrappedKey[]> => {
    try {
      return (await DATA_KEYS.read(documents, name))?.body.keys ?? []
    } catch (error) {
      // It is written again from memory.
      if (isCorrupt(error)) return []
      throw error
    }
  }

  /** Writes these in the place of their ids. */
  const put = (name: string, records: readonly WrappedKey[]) =>
    DATA_KEYS.update(documents, name, (stored) => {
      const byId = new Map((stored?.body.keys ?? []).map((record) => [record.id, record]))
      for (const record of records) byId.set(record.id, record)
      return { keys: [...byId.values()] }
    })

  const learn = (found: DataKey) => {
    held.set(found.record.id, found)
    keyring.learn({ id: found.record.id, key: found.key })
  }

  /** Another process wrapped a held key again, or somebody spoiled its text. */
  const settle = async (wrapper: Wrapper, ours: DataKey, theirs: WrappedKey) => {
    const found = await unlessRefused(unwrapped(wrapper, theirs))
    if (found && isSameKey(found.key, ours.key)) {
      held.set(theirs.id, found)
      return
    }
    // Where the signer refuses everything now, nothing is known about their text.
    await unwrapped(wrapper, ours.record)
    await put(wrapper.name, [ours.record])
    log.error({ keyId: theirs.id }, 'a wrapped data key was not valid, and was written again')
  }

  const look = async (wrapper: Wrapper, record: WrappedKey): Promise<void> => {
    const ours = held.get(record.id)
    if (!ours) {
      learn(await unwrapped(wrapper, record))
      log.info({ keyId: record.id }, 'a data key of another process was learned')
    } else if (ours.record.wrapped !== record.wrapped) await settle(wrapper, ours, record)
  }

  const tend = async (wrapper: Wrapper): Promise<void> => {
    const { name } = wrapper
    const stored = await storedOf(name)
    const lost = heldOf(name).filter(({ record }) => !stored.some(({ id }) => id === record.id))
    if (lost.length > 0) {
      await addDataKeys(documents, { name, keys: lost.map(({ record }) => record) })
      const keyIds = lost.map(({ record: { id } }) => id).join(', ')
      log.warn({ keyIds }, 'the store lacked wrapped data keys, and has them again')
    }
    const failures: unknown[] = []
    for (const record of stored) {
      await look(wrapper, record).catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  const task = createTask({
    ...{ runtime, retryMs: RETRY_MS },
    outage: createOutageLogger(log, 'the data keys of the store cannot be checked', runtime),
    async work() {
      const failures: unknown[] = []
      for (const wrapper of byName.values()) {
        await tend(wrapper).catch((error: unknown) => failures.push(error))
      }
      const ofSigner = failures.find(isOfSigner)
      // Only now, because a round can wait for the signer.
      trouble =
        ofSigner instanceof BrokerError
          ? `a data key cannot be opened: ${ofSigner.detail}`
          : undefined
      if (failures.length > 0) throw failures[0]
      return pauseUntil(Number.POSITIVE_INFINITY, runtime.now(), RETRY_MS)
    },
  })

  return {
    /** One sentence. Undefined: there is no problem. */
    trouble: (): string | undefined => trouble,
    /** What wraps a key. Undefined: the setting has the key itself, or it is not known. */
    wrappedBy(keyId: string): WrappedBy | undefined {
      const found = held.get(keyId)
      if (!found) return undefined
      const { name, record } = found
      return { name, signer: record.signer, key: record.key, keyVersion: versionOf(record) }
    },
    /** Wraps all held keys again, with the newest version of the key of their signer. Throws `signer_unavailable`, `signing_refused`. */
    async rewrap(): Promise<void> {
      for (const wrapper of byName.values()) {
        const fresh: DataKey[] = []
        for (const one of heldOf(wrapper.name)) {
          const { key, record: former } = one
          const record = await wrapped(wrapper, { id: former.id, key }, runtime.now())
          fresh.push({ ...one, record })
        }
        if (fresh.length === 0) continue
        await put(
          wrapper.name,
          fresh.map(({ record }) => record),
        )
        for (const one of fresh) held.set(one.record.id, one)
      }
    },
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    stop: task.stop,
  }
}

async function unlessRefused<Value>(work: Promise<Value>): Promise<Value | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'signing_refused') return undefined
    throw error
  }
}
