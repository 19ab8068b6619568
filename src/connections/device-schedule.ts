/** When Salesforce is to be asked next about each device; the fleet shares it. */
import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'

const PollTurnBody = Type.Object({
  nextAt: Type.Number(),
  intervalMs: Type.Number(),
  /** Polls in a row that did not get through. */
  failures: Type.Number(),
})

interface PollTurn extends BodyOf<typeof PollTurnBody> {
  readonly id: string
}

/** A turn that is ours. */
export interface TakenTurn extends PollTurn {
  readonly version: number
}

export type DeviceSchedule = ReturnType<typeof createDeviceSchedule>

const POLLS = documentKind({ kind: 'device-poll', schema: PollTurnBody })
/** Past the latest end of a device code, nobody needs to ask. */
const KEPT_MS = 3_600_000

export function createDeviceSchedule(dependencies: {
  readonly documents: Documents
  readonly now: () => number
  /** The longest that a poll takes, and all that follows it. */
  readonly turnMs: number
}) {
  const { documents, now, turnMs } = dependencies

  const write = async ({ id, ...turn }: PollTurn, expected: number | 'absent') => {
    const expiresAt = turn.nextAt + KEPT_MS
    const stored = await POLLS.claim(documents, id, turn, { expected, expiresAt })
    return stored && { ...turn, id, version: stored.version }
  }

  return {
    async add(turn: PollTurn): Promise<void> {
      await write(turn, 'absent')
    },
    /** Those that are due. */
    async *due(): AsyncGenerator<TakenTurn> {
      for await (const { id, version, body } of POLLS.all(documents)) {
        if (body.nextAt <= now()) yield { ...body, id, version }
      }
    },
    /** Puts it off until a poll must be over, so that no other replica takes it, and that one does if this one dies. Undefined: another was faster. */
    take: ({ version, ...turn }: TakenTurn): Promise<TakenTurn | undefined> =>
      write({ ...turn, nextAt: now() + turnMs }, version),
    async putOff({ id, version }: TakenTurn, next: Omit<PollTurn, 'id'>): Promise<void> {
      await write({ id, ...next }, version)
    },
    async remove(id: string): Promise<void> {
      await POLLS.erase(documents, id)
    },
  }
}
