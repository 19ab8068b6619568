/** The keys of each replica, which the replicas announce in the store. So no replica seals with a key that another one lacks. */

import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'

const KeysBody = Type.Object({
  /** The sealing key is first. */
  keys: Type.Array(Type.String()),
  /** Time of the last announcement. */
  seenAt: Type.Number(),
  /** Whether it writes a code beside each record. Absent: a release that does not. */
  makesMacs: Type.Optional(Type.Boolean()),
})

export interface ReplicaKeys extends BodyOf<typeof KeysBody> {
  readonly id: string
}

export type Replicas = ReturnType<typeof createReplicas>

const REPLICAS = documentKind({ kind: 'replica-keyring', schema: KeysBody })
/** A killed replica is removed after this time. */
const GONE_MS = 60_000
export const ANNOUNCE_MS = 20_000

export function createReplicas(dependencies: {
  readonly documents: Pick<Documents, 'list' | 'write' | 'remove'>
  readonly keyIds: readonly string[]
  /** Created at the start of this replica. */
  readonly id: string
  readonly now: () => number
}) {
  const { documents, keyIds, id, now } = dependencies
  return {
    /** The replicas that announced their keys within the last minute, this one included. */
    async list(): Promise<readonly ReplicaKeys[]> {
      const replicas: ReplicaKeys[] = []
      for await (const { id: of, body } of REPLICAS.all(documents))
        replicas.push({ ...body, id: of })
      return replicas
    },
    /** Announces the keys of this replica. */
    async announce(): Promise<void> {
      const body = { keys: keyIds, seenAt: now(), makesMacs: true }
      const options = { expected: 'any', expiresAt: now() + GONE_MS } as const
      await REPLICAS.write(documents, id, body, options)
    },
    /** Removes this replica. */
    async leave(): Promise<void> {
      await REPLICAS.erase(documents, id)
    },
  }
}

/** The replicas that cannot open a seal of this key. Pure. */
export const lacking = (replicas: readonly ReplicaKeys[], key: string): readonly ReplicaKeys[] =>
  replicas.filter(({ keys }) => !keys.includes(key))
