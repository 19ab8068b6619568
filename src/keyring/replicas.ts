/** Which keys each replica holds, so that nobody seals with one that another cannot open. Replicas say it in the store. */

import type { Page } from '../store/records.ts'
import type { Documents } from '../store/store.ts'

export interface ReplicaKeys {
  readonly id: string
  /** The one that seals first. */
  readonly keys: readonly string[]
  /** When it said so last. */
  readonly seenAt: number
  /** It writes a code beside each record; absent: of a release that does not. */
  readonly makesMacs?: boolean
}

export interface Replicas {
  /** Those that said something within the last minute, this one among them. */
  list(): Promise<readonly ReplicaKeys[]>
  /** Says what this one holds. */
  announce(): Promise<void>
  /** This one goes. */
  leave(): Promise<void>
}

export interface ReplicasDependencies {
  readonly documents: Pick<Documents, 'list' | 'write' | 'remove'>
  readonly keyIds: readonly string[]
  /** Of this replica, made at its start. */
  readonly id: string
  readonly now: () => number
}

export const REPLICA_KIND = 'replica-keyring'
/** A replica that was killed is forgotten after this. */
const GONE_MS = 60_000
export const ANNOUNCE_MS = 20_000
const PAGE = 1_000

type Body = Omit<ReplicaKeys, 'id'>

export function createReplicas(dependencies: ReplicasDependencies): Replicas {
  const { documents, keyIds, id, now } = dependencies
  return {
    async list() {
      const replicas: ReplicaKeys[] = []
      let after: string | undefined
      do {
        const page: Page<{ readonly id: string; readonly body: string }> = await documents.list(
          REPLICA_KIND,
          { limit: PAGE, ...(after !== undefined && { after }) },
        )
        for (const item of page.items) {
          replicas.push({ ...(JSON.parse(item.body) as Body), id: item.id })
        }
        after = page.next ?? undefined
      } while (after !== undefined)
      return replicas
    },
    async announce() {
      const body: Body = { keys: keyIds, seenAt: now(), makesMacs: true }
      await documents.write(REPLICA_KIND, id, JSON.stringify(body), {
        expected: 'any',
        expiresAt: now() + GONE_MS,
      })
    },
    async leave() {
      await documents.remove(REPLICA_KIND, id, 'any')
    },
  }
}

/** Those that could not open what is sealed with this key. Pure. */
export const lacking = (replicas: readonly ReplicaKeys[], key: string): readonly ReplicaKeys[] =>
  replicas.filter(({ keys }) => !keys.includes(key))
