/** When Salesforce is to be asked next about each device; the fleet shares it. */
import type { Documents } from '../store/store.ts'

export interface PollTurn {
  /** Of the connection. */
  readonly id: string
  readonly nextAt: number
  readonly intervalMs: number
  /** Polls in a row that did not get through. */
  readonly failures: number
}

/** A turn that is ours. */
export interface TakenTurn extends PollTurn {
  readonly version: number
}

export interface DeviceSchedule {
  add(turn: PollTurn): Promise<void>
  /** Those that are due. */
  due(): AsyncGenerator<TakenTurn>
  /** Puts it off until a poll must be over, so that no other replica takes it, and that one does if this one dies. Undefined: another was faster. */
  take(turn: TakenTurn): Promise<TakenTurn | undefined>
  putOff(turn: TakenTurn, next: Omit<PollTurn, 'id'>): Promise<void>
  remove(id: string): Promise<void>
}

export interface DeviceScheduleDependencies {
  readonly documents: Documents
  readonly now: () => number
  /** The longest that a poll takes, and all that follows it. */
  readonly turnMs: number
}

const KIND = 'device-poll'
const READ_LIMIT = 1_000
/** Past the latest end of a device code, nobody needs to ask. */
const KEPT_MS = 3_600_000

export function createDeviceSchedule(dependencies: DeviceScheduleDependencies): DeviceSchedule {
  const { documents, now, turnMs } = dependencies

  const write = async ({ id, ...turn }: PollTurn, expected: number | 'absent') => {
    const record = await documents.write(KIND, id, JSON.stringify(turn), {
      expected,
      expiresAt: turn.nextAt + KEPT_MS,
    })
    return record && { ...turn, id, version: record.version }
  }

  return {
    async add(turn) {
      await write(turn, 'absent')
    },
    async *due() {
      let after: string | undefined
      do {
        const page = await documents.list(KIND, {
          limit: READ_LIMIT,
          ...(after !== undefined && { after }),
        })
        for (const { id, version, body } of page.items) {
          const turn = { ...(JSON.parse(body) as Omit<PollTurn, 'id'>), id, version }
          if (turn.nextAt <= now()) yield turn
        }
        after = page.next ?? undefined
      } while (after !== undefined)
    },
    take: ({ version, ...turn }) => write({ ...turn, nextAt: now() + turnMs }, version),
    async putOff({ id, version }, next) {
      await write({ id, ...next }, version)
    },
    async remove(id) {
      await documents.remove(KIND, id, 'any')
    },
  }
}
