/** `POST /store/accept`, `DELETE /store/records/{kind}/{name}`. */
import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import { allowsAll } from '../callers/policy.ts'
import type { Vouching } from '../custody/vouching.ts'
import { BrokerError } from '../errors/errors.ts'
import { documented } from '../http/openapi/documented.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { PROVEN_KINDS } from '../store/document-kinds.ts'
import { INTEGRATION } from '../store/integrity/record-mac.ts'
import type { WatchedStore } from '../store/integrity/watched-store.ts'

interface StoreRouteDependencies {
  readonly watched: Pick<WatchedStore, 'accept' | 'rolledBack' | 'erase'>
  readonly acceptAge: Vouching['accept']
  readonly audit: Pick<AuditLog, 'change'>
}

const NEEDS = 'service:manage'

const Acceptance = Type.Unsafe<{ readonly restored?: boolean } | null>({
  type: ['object', 'null'],
  description: 'May be left out',
  properties: {
    restored: {
      type: 'boolean',
      description: 'Whether an older state of the store was put back',
    },
  },
  additionalProperties: false,
  examples: [{ restored: true }],
})

const RecordParams = Type.Object({
  kind: Type.Unsafe<string>({
    type: 'string',
    enum: [INTEGRATION, ...PROVEN_KINDS],
    description: 'As the log has it',
  }),
  name: Type.String({
    minLength: 1,
    maxLength: 512,
    description: 'As the log has it',
    // The router's limit for a part of a path.
    ...documented({ maxLength: 100 }),
  }),
})

export function registerStoreRoutes(
  server: Server,
  { watched, acceptAge, audit }: StoreRouteDependencies,
): void {
  server.post(
    '/store/accept',
    operation('acceptStore', 'service', {
      summary: 'Accept a store that lost its content, or went back in time',
      description:
        'Needs `service:manage` over all integrations. What is in the store now is right, for every replica within two seconds: what is not there answers 404 again instead of 503 `store_reset`, and the alarm ends. Records that went back to an older version are used again. `restored` is about refresh tokens that wait because the store may be an old one: `false`: it is the newest, they are used; `true`, or left out: it is to be gone on with, each is introspected, and where that cannot be done presented once. `conflict` for `false` where presentations are known that it lacks. Changes nothing where the store is as it should be.',
      body: Acceptance,
      response: { 204: Type.Null({ description: 'Accepted' }), ...problems('conflict') },
    }),
    async (request, reply) => {
      if (!allowsAll(request.principal, NEEDS)) throw lacks()
      const isRolledBack = watched.rolledBack()
      const age = await acceptAge(request.body?.restored)
      const was = await watched.accept()
      const found = was === 'sound' ? age : was
      if (found !== 'sound' || isRolledBack) {
        await audit.change(request, {
          action: 'store.accepted',
          integration: null,
          detail: { reason: found === 'sound' ? 'rolled_back' : found },
        })
      }
      return reply.code(204).send(null)
    },
  )

  server.delete(
    '/store/records/:kind/:name',
    operation('eraseRecord', 'service', {
      summary: 'Erase a record that does not verify',
      description:
        'Needs `service:manage` over all integrations. For a record that the log names as one that is not used. Nothing of it is kept, nothing is revoked at Salesforce; `conflict` where it verifies: then it goes by its own route.',
      params: RecordParams,
      response: {
        204: Type.Null({ description: 'Erased' }),
        ...problems('not_found', 'conflict'),
      },
    }),
    async (request, reply) => {
      if (!allowsAll(request.principal, NEEDS)) throw lacks()
      const { kind, name } = request.params
      const result = await watched.erase(kind, name)
      if (result === 'absent') throw new BrokerError('not_found', 'There is no such record')
      if (result === 'verifies') {
        throw new BrokerError('conflict', 'The record verifies, and goes by its own route')
      }
      await audit.change(request, {
        action: 'store.record_erased',
        integration: kind === INTEGRATION ? name : null,
        detail: { record: kind },
      })
      return reply.code(204).send(null)
    },
  )
}

const lacks = () => new BrokerError('caller_forbidden', `You lack ${NEEDS} over all integrations`)
