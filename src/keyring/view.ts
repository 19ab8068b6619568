/** The wire form of the keyring. Pure. */
import type { Keyring } from '../crypto/keyring.ts'
import { type Census, NO_COUNTS, totalOf } from './census.ts'
import type { ReplicaKeys } from './replicas.ts'
import type { ResealJob } from './reseal-job.ts'
import type { KeyringWire, ResealWire } from './schemas.ts'

interface KeyringView {
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'keyIds'>
  readonly census: Census
  readonly replicas: readonly ReplicaKeys[]
  readonly job: ResealJob | undefined
}

export function keyringViewOf({ keyring, census, replicas, job }: KeyringView): KeyringWire {
  const ids = [...new Set([...keyring.keyIds, ...census.keys.keys()])]
  return {
    sealing_key: keyring.sealingKeyId,
    keys: ids.map((id) => {
      const counts = census.keys.get(id) ?? NO_COUNTS
      const records = totalOf(counts)
      const isSealing = replicas.some(({ keys }) => keys[0] === id)
      return {
        id,
        state: stateOf(keyring, id),
        records,
        by_kind: { ...counts },
        replicas: replicas.filter(({ keys }) => keys.includes(id)).length,
        can_be_dropped: id !== keyring.sealingKeyId && records === 0 && !isSealing,
      }
    }),
    unreadable: census.unreadable,
    replicas: replicas.map(({ id, keys, seenAt }) => ({
      id,
      keys: [...keys],
      seen_at: new Date(seenAt).toISOString(),
    })),
    reseal: job ? progressOf(job) : null,
  }
}

function stateOf({ sealingKeyId, keyIds }: KeyringView['keyring'], id: string) {
  if (id === sealingKeyId) return 'sealing'
  return keyIds.includes(id) ? 'opening' : 'missing'
}

export function progressOf(job: ResealJob): ResealWire {
  const { key, seen, resealed, failed, startedAt, updatedAt, finishedAt } = job
  return {
    ...{ key, seen, resealed, failed },
    state: finishedAt === null ? 'running' : 'done',
    started_at: new Date(startedAt).toISOString(),
    updated_at: new Date(updatedAt).toISOString(),
    finished_at: finishedAt === null ? null : new Date(finishedAt).toISOString(),
  }
}
