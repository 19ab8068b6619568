/** The schedule of polls for each device, shared by all replicas. */
import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'

const PollTurnBody = Type.Object({
  nextAt: Type.Number(),
  intervalMs: Type.Number(),
  /** Failed polls in a row. */
  failures: Type.Number(),
})

interface PollTurn extends BodyOf<typeof PollTurnBody> {
  readonly id: string
}

/** A turn as it was read or taken. */
export interface TakenTurn extends PollTurn {
  readonly version: number
}

export type DeviceSchedule = ReturnType<typeof createDeviceSchedule>

const POLLS = documentKind({ kind: 'device-poll', schema: PollTurnBody })
export const DEVICE_POLL_KIND = POLLS.kind
/** Later than the end of any device code. */
const KEPT_MS = 3_600_000

export function createDeviceSchedule(dependencies: {
  readonly documents: Documents
  readonly now: () => number
  /** Longest time of a poll with all work that follows it. */
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
    async *turns(): AsyncGenerator<TakenTurn> {
      for await (const { id, version, body } of POLLS.all(documents)) yield { ...body, id, version }
    },
    /** Postpones the turn until the poll must have ended. So no other replica takes it, unless this one dies. Undefined: another replica was faster. */
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
