/** Notices a store that lost its content or went back in time, tells the other replicas, and waits for an operator to accept it. */

import { BrokerError } from '../../errors/errors.ts'
import type { Emitter } from '../../runtime/events.ts'
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
  /** For whoever found nothing in the store: throws `store_reset` where it may have been there before, `store_unavailable` where that cannot be told. */
  check(): Promise<void>
  /** What is there now is right, for every replica. Gives what the store was until then. */
  accept(): Promise<StoreIntegrity>
  /** Looks now; those who ask at once share one look. */
  look(): Promise<void>
  start(): void
  stop(): Promise<void>
}

interface StoreWatchDependencies {
  readonly store: Pick<Store, 'identity' | 'documents' | 'isBegunAnew'>
  readonly events: Pick<Emitter<StoreEvents>, 'emit'>
  /** The store as a whole is another one or its past, or an operator accepted it (`isAccepted`): what was seen of it holds no more. Must not throw. */
  readonly onOtherContent?: (change: { readonly isAccepted: boolean }) => void
  readonly runtime: Pick<Runtime, 'sleep'>
  readonly log: Log
}

/** What the store says of itself; undefined: nothing, or it was said of another one. */
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

/** Tells every replica, those that run and those that will. */
export async function writeIntegrityNote(
  { identity, documents }: Pick<Store, 'identity' | 'documents'>,
  standing: 'wiped' | 'accepted',
): Promise<void> {
  const note: StoreNote = { ...(await identity()), standing }
  await NOTES.write(documents, ID, note, { expected: 'any' })
}

const RUNBOOK = 'docs/runbooks.md#a-store-that-was-reset'

const LOOK_MS = 1_000
/** More often than that no store was accepted. */
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
      // A replica that was told by others adds nothing.
      if (known.seq > since.seq) events.emit('store.rewound', undefined)
    } else log.info({ was: before }, 'the store is sound again')
  }

  /** Which store it was at the last look, and the version of its newest note: whoever puts an older one back accepts nothing. */
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

  const look = async (): Promise<StoreMemory> => {
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
  }

  // An older answer would look like the past.
  const nextLook = createSharedTurns(look)

  /** For replicas that start after this, and know nothing of what was before. */
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
        // The reader of the change stream says that the store is gone; here it is asked again.
        if (!(error instanceof BrokerError)) throw error
      }
      return LOOK_MS
    },
  })

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
      // Also where it is sound: another replica may have met a single record that went back.
      const note: StoreNote = { ...(await store.identity()), standing: 'accepted' }
      for (let tries = 0; tries < NOTES_MAX; tries += 1) {
        const written = await write(note, 'any')
        // Beside an older one that was put back, it would be no news.
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
