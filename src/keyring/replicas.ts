/** Which keys each replica holds, so that nobody seals with one that another cannot open. Replicas say it in the store. */

import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'

const KeysBody = Type.Object({
  /** The one that seals first. */
  keys: Type.Array(Type.String()),
  /** When it said so last. */
  seenAt: Type.Number(),
  /** It writes a code beside each record; absent: of a release that does not. */
  makesMacs: Type.Optional(Type.Boolean()),
})

export interface ReplicaKeys extends BodyOf<typeof KeysBody> {
  readonly id: string
}

export type Replicas = ReturnType<typeof createReplicas>

const REPLICAS = documentKind({ kind: 'replica-keyring', schema: KeysBody })
/** A replica that was killed is forgotten after this. */
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
    /** Those that said something within the last minute, this one among them. */
    async list(): Promise<readonly ReplicaKeys[]> {
      const replicas: ReplicaKeys[] = []
      for await (const { id: of, body } of REPLICAS.all(documents))
        replicas.push({ ...body, id: of })
      return replicas
    },
    /** Says what this one holds. */
    async announce(): Promise<void> {
      const body = { keys: keyIds, seenAt: now(), makesMacs: true }
      const options = { expected: 'any', expiresAt: now() + GONE_MS } as const
      await REPLICAS.write(documents, id, body, options)
    },
    /** This one goes. */
    async leave(): Promise<void> {
      await REPLICAS.erase(documents, id)
    },
  }
}

/** Those that could not open what is sealed with this key. Pure. */
export const lacking = (replicas: readonly ReplicaKeys[], key: string): readonly ReplicaKeys[] =>
  replicas.filter(({ keys }) => !keys.includes(key))
