/** Detects a store that lost its content or went back in time, tells other replicas, and waits for an operator to accept it. */

import { BrokerError } from '../../errors/errors.ts'
import type { Events } from '../../runtime/events.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { createSharedTurns } from '../../runtime/shared-turns.ts'
import { createTask } from '../../runtime/tasks.ts'
import { documentKind, type StoredDocument } from '../documents.ts'
import type { Store } from '../store.ts'
import type { StoreEvents } from '../store-events.ts'
import { unlessUnusable } from './record-schema.ts'
import {
  begunAnew,
  judgeStore,
  type StoreIdentity,
  type StoreIntegrity,
  type StoreMemory,
  StoreNote,
} from './store-integrity.ts'

export interface StoreWatch {
  integrity(): StoreIntegrity
  /** Called after an empty read. Throws `store_reset` if the record may have existed before, and `store_unavailable` if that is unknown. */
  check(): Promise<void>
  /** Accepts the current content for all replicas. Returns the former state of the store. */
  accept(): Promise<StoreIntegrity>
  /** Checks the store now. Concurrent calls share one check. */
  look(): Promise<void>
  start(): void
  stop(): Promise<void>
}

interface StoreWatchDependencies {
  readonly store: Pick<Store, 'identity' | 'documents' | 'isBegunAnew'>
  readonly events: Events<StoreEvents>
  /** The whole store is another one or an old copy, or an operator accepted it (`isAccepted`): the remembered versions are no longer valid. Must not throw. */
  readonly onOtherContent?: (change: { readonly isAccepted: boolean }) => void
  readonly runtime: Pick<Runtime, 'sleep'>
  readonly log: Log
}

/** The note in the store. Undefined: there is none, or it is about another store. */
export async function readIntegrityNote({
  identity,
  documents,
  isBegunAnew,
}: Pick<Store, 'identity' | 'documents' | 'isBegunAnew'>): Promise<
  StoreNote['standing'] | undefined
> {
  const note = (await unlessUnusable(NOTES.read(documents, ID)))?.body
  if (note?.id === (await identity()).id) return note.standing
  return isBegunAnew() ? 'wiped' : undefined
}

/** Tells all replicas, present and future. */
export async function writeIntegrityNote(
  { identity, documents }: Pick<Store, 'identity' | 'documents'>,
  standing: 'wiped' | 'accepted',
): Promise<void> {
  const note: StoreNote = { ...(await identity()), standing }
  await NOTES.write(documents, ID, note, { expected: 'any' })
}

const RUNBOOK = 'docs/runbooks.md#a-store-that-was-reset'

/** Interval of checks while the store is not sound or not reached. */
const LOOK_MS = 1_000
/** Interval while it is sound: pulses and changes tell what is new. */
const SOUND_LOOK_MS = 30_000
/** Most notes. No store is accepted more often. */
const NOTES_MAX = 1_000
const NOTES = documentKind({ kind: 'store', schema: StoreNote })
const ID = 'standing'

export function createStoreWatch({
  store,
  events,
  onOtherContent,
  runtime,
  log,
}: StoreWatchDependencies): StoreWatch {
  let memory: StoreMemory | undefined

  const tell = (before: StoreIntegrity, { integrity, known, since }: StoreMemory) => {
    if (before === integrity) return
    if (integrity === 'wiped') {
      log.error(
        { was: known.id, is: since.id, see: RUNBOOK },
        'the store lost its content: restore it, or accept it with POST /store/accept',
      )
    } else if (integrity === 'rewound') {
      log.error(
        { missing: known.seq - since.seq },
        'the store went back in time: changes that it had acknowledged are missing',
      )
      // A replica that learned it from others emits nothing.
      if (known.seq > since.seq) events.emit('store.rewound', undefined)
    } else log.info({ was: before }, 'the store is sound again')
  }

  /** Identity of the store at the last check, with the version of its newest note. So restoring an older note accepts nothing. */
  let last: (StoreIdentity & { readonly note: number }) | undefined

  const compareWithLast = (
    current: StoreIdentity,
    record: StoredDocument<StoreNote> | undefined,
  ) => {
    const former = last
    const isOther = former && (current.id !== former.id || current.seq < former.seq)
    const known = former?.note ?? 0
    const isNews = record !== undefined && (isOther || record.version > known)
    last = { ...current, note: isNews ? record.version : isOther ? 0 : known }
    if (!former) return
    const isAccepted = isNews && record.body.standing === 'accepted'
    if (isOther || isAccepted) onOtherContent?.({ isAccepted })
  }

  /** Then a pulse may be newer than the answers that are compared. */
  let isLooking = false

  const look = async (): Promise<StoreMemory> => {
    isLooking = true
    try {
      const [current, record] = await Promise.all([
        store.identity(),
        // A note that does not verify is ignored.
        unlessUnusable(NOTES.read(store.documents, ID)),
      ])
      const before = memory?.integrity ?? 'sound'
      memory ??= store.isBegunAnew() ? begunAnew(current) : undefined
      const judged = judgeStore(memory, current, record?.body)
      memory = judged
      compareWithLast(current, record)
      tell(before, judged)
      if (judged.integrity !== 'sound') await pin(judged.integrity, current, record)
      return judged
    } finally {
      isLooking = false
    }
  }

  // An older answer would look like an old copy.
  const nextLook = createSharedTurns(look)

  /** For replicas that start later and do not know the former content. */
  const pin = async (
    standing: 'wiped' | 'rewound',
    current: StoreIdentity,
    record: StoredDocument<StoreNote> | undefined,
  ): Promise<void> => {
    const note = record?.body
    if (note?.id === current.id && note.standing === standing) return
    try {
      await write({ ...current, standing }, record?.version ?? 'absent')
    } catch (error) {
      log.warn(
        { err: error },
        'the state of the store could not be announced to the other replicas',
      )
    }
  }

  const write = (note: StoreNote, expected: number | 'absent' | 'any') =>
    NOTES.claim(store.documents, ID, note, { expected })

  const task = createTask({
    runtime,
    async work() {
      try {
        await nextLook()
      } catch (error) {
        // The reader of the change stream reports an unavailable store. Here it is checked again.
        if (!(error instanceof BrokerError)) throw error
        return LOOK_MS
      }
      return memory?.integrity === 'sound' ? SOUND_LOOK_MS : LOOK_MS
    },
  })

  events.on('store.pulse', ({ id, seq }) => {
    if (isLooking || !last || memory?.integrity !== 'sound') return
    if (id !== last.id || seq < last.seq) return task.wake()
    last = { ...last, seq }
    memory = judgeStore(memory, { id, seq }, undefined)
  })
  events.on('store.changed', (change) => {
    if (change.type === 'document' && change.kind === NOTES.kind) task.wake()
  })
  events.on('store.heard', task.wake)

  return {
    integrity: () => memory?.integrity ?? 'sound',
    async check() {
      const { integrity } = await nextLook()
      if (integrity !== 'wiped') return
      throw new BrokerError(
        'store_reset',
        'The store lost its content, so the record may have existed before',
        { retryAfterMs: LOOK_MS },
      )
    },
    async accept() {
      const { integrity } = await nextLook()
      // Also if the store is sound: another replica may have found one old record.
      const note: StoreNote = { ...(await store.identity()), standing: 'accepted' }
      for (let tries = 0; tries < NOTES_MAX; tries += 1) {
        const written = await write(note, 'any')
        // Beside a restored older note, a new note with its version would not be noticed.
        if (!written || written.version > (last?.note ?? 0)) break
      }
      await nextLook()
      return integrity
    },
    async look() {
      await nextLook()
    },
    start: task.start,
    stop: task.stop,
  }
}
