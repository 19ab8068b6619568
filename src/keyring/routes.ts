/** `GET /keyring`, `POST /keyring/reseal`, and their wire form. */
import type { AuditLog } from '../audit/log.ts'
import { allowsAll } from '../callers/policy.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { type Census, type CensusTaker, NO_COUNTS, totalOf } from './census.ts'
import type { DataKeyMaintainer, WrappedBy } from './data-keys/data-key-maintainer.ts'
import type { ReplicaKeys, Replicas } from './replicas.ts'
import type { ResealJob } from './reseal-job.ts'
import type { Resealer } from './resealer.ts'
import { KeyringState, type KeyringWire, ResealProgress, type ResealWire } from './schemas.ts'

interface KeyringRouteDependencies {
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'keyIds'>
  readonly census: CensusTaker
  readonly replicas: Pick<Replicas, 'list'>
  readonly resealer: Pick<Resealer, 'request' | 'read'>
  readonly dataKeys: Pick<DataKeyMaintainer, 'wrappedBy'>
  readonly audit: Pick<AuditLog, 'change'>
}

const NEEDS = 'service:manage'

export function registerKeyringRoutes(
  server: Server,
  { keyring, census, replicas, resealer, dataKeys, audit }: KeyringRouteDependencies,
): void {
  server.get(
    '/keyring',
    operation('getKeyring', 'service', {
      summary: 'What each sealing key still seals',
      description:
        'Needs `service:manage` over all integrations. Counts everything that is sealed in the store, by the key that it names; shows which replica holds which keys, and how far a reseal came. Ids alone, never a key.',
      response: { 200: KeyringState },
    }),
    async (request) => {
      if (!allowsAll(request.principal, NEEDS)) throw lacks()
      const [counted, held, job] = await Promise.all([
        census.take(),
        replicas.list(),
        resealer.read(),
      ])
      return keyringViewOf({ keyring, census: counted, replicas: held, job, dataKeys })
    },
  )

  server.post(
    '/keyring/reseal',
    operation('resealKeyring', 'service', {
      summary: 'Seal everything with the first key',
      description:
        'Needs `service:manage` over all integrations. Goes on in the background, and on another replica where this one dies; `GET /keyring` shows how far it came. Asked again while it runs, it changes nothing. `conflict` where a replica lacks the key: it could open nothing any more. Before that, wraps the data keys again with the newest version of the key of their signer; a signer that is away or refuses is `signer_unavailable` or `signing_refused`, and nothing begins.',
      response: {
        202: ResealProgress,
        ...problems('conflict', 'signer_unavailable', 'signing_refused'),
      },
    }),
    async (request, reply) => {
      if (!allowsAll(request.principal, NEEDS)) throw lacks()
      const { job, isNew } = await resealer.request(request.principal.id)
      if (isNew) {
        await audit.change(request, { action: 'keyring.reseal_requested', integration: null })
      }
      return reply.code(202).header('location', '/keyring').send(progressOf(job))
    },
  )
}

const lacks = () => new BrokerError('caller_forbidden', `You lack ${NEEDS} over all integrations`)

interface KeyringView {
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'keyIds'>
  readonly census: Census
  readonly replicas: readonly ReplicaKeys[]
  readonly job: ResealJob | undefined
  readonly dataKeys: Pick<DataKeyMaintainer, 'wrappedBy'>
}

function keyringViewOf({ keyring, census, replicas, job, dataKeys }: KeyringView): KeyringWire {
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
        wrapped_by: wrappedByOf(dataKeys.wrappedBy(id)),
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

function wrappedByOf(by: WrappedBy | undefined) {
  if (!by) return null
  const { name, signer, key, keyVersion } = by
  return { name, signer, key, key_version: keyVersion }
}

function stateOf({ sealingKeyId, keyIds }: KeyringView['keyring'], id: string) {
  if (id === sealingKeyId) return 'sealing'
  return keyIds.includes(id) ? 'opening' : 'missing'
}

function progressOf(job: ResealJob): ResealWire {
  const { key, seen, resealed, failed, startedAt, updatedAt, finishedAt } = job
  return {
    ...{ key, seen, resealed, failed },
    state: finishedAt === null ? 'running' : 'done',
    started_at: new Date(startedAt).toISOString(),
    updated_at: new Date(updatedAt).toISOString(),
    finished_at: finishedAt === null ? null : new Date(finishedAt).toISOString(),
  }
}
