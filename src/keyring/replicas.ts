/** The keys of each replica, which the replicas announce in the store. So no replica seals with a key that another one lacks. */

import { Type } from 'typebox'
import type { Keyring } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import { type PageQuery, pages } from '../store/records.ts'
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
  readonly keyring: Pick<Keyring, 'keyIds'>
  /** Created at the start of this replica. */
  readonly id: string
  readonly now: () => number
}) {
  const { documents, keyring, id, now } = dependencies
  return {
    /** The replicas that announced their keys within the last minute, this one included. Throws `record_corrupt` if one of the records is not usable. */
    async list(): Promise<readonly ReplicaKeys[]> {
      const replicas: ReplicaKeys[] = []
      const read = (page: PageQuery) => REPLICAS.list(documents, page)
      for await (const { items, corrupt } of pages(read)) {
        // A replica whose keys are unknown may lack any key.
        if (corrupt) throw unreadable(corrupt)
        replicas.push(...items.map(({ id: of, body }) => ({ ...body, id: of })))
      }
      return replicas
    },
    async announce(): Promise<void> {
      const body = { keys: keyring.keyIds, seenAt: now(), makesMacs: true }
      const options = { expected: 'any', expiresAt: now() + GONE_MS } as const
      await REPLICAS.write(documents, id, body, options)
    },
    async leave(): Promise<void> {
      await REPLICAS.erase(documents, id)
    },
  }
}

const unreadable = (ids: readonly string[]): BrokerError =>
  new BrokerError('record_corrupt', `The keys of replica ${ids[0]} cannot be read`)

/** The replicas that cannot open a seal of this key. Pure. */
export const lacking = (replicas: readonly ReplicaKeys[], key: string): readonly ReplicaKeys[] =>
  replicas.filter(({ keys }) => !keys.includes(key))
