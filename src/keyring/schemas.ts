/** The wire form of the keyring: ids and counts, never a key. */
import { type Static, Type } from 'typebox'
import { SEALED, type SealedKind } from './sealed-records.ts'

const Time = Type.String({ format: 'date-time' })

export const ResealProgress = Type.Object(
  {
    key: Type.String({ description: 'The key that everything is to be sealed with' }),
    state: Type.Unsafe<'running' | 'done'>({ type: 'string', enum: ['running', 'done'] }),
    seen: Type.Integer({ description: 'Records looked at so far' }),
    resealed: Type.Integer({ description: 'Those that were sealed anew' }),
    failed: Type.Integer({ description: 'Those that could not be; the log names them' }),
    started_at: Time,
    updated_at: Time,
    finished_at: Type.Union([Time, Type.Null()]),
  },
  {
    title: 'Reseal progress',
    description: 'How far the going-through of all records came; any replica goes on with it',
  },
)

const countOf = (kind: SealedKind) => Type.Integer({ minimum: 0, description: SEALED[kind] })

const KIND_COUNTS = {
  credentials: countOf('credentials'),
  refresh_tokens: countOf('refresh_tokens'),
  leases: countOf('leases'),
  revocations: countOf('revocations'),
  connections: countOf('connections'),
  macs: countOf('macs'),
} satisfies Record<SealedKind, unknown>

const SealingKey = Type.Object(
  {
    id: Type.String(),
    state: Type.Unsafe<'sealing' | 'opening' | 'missing'>({
      type: 'string',
      enum: ['sealing', 'opening', 'missing'],
      description:
        '`sealing`: the first of the keyring of this replica; `opening`: another of it; `missing`: records name it, and it is not there, so they are lost without it',
    }),
    records: Type.Integer({ description: 'How many records are sealed with it' }),
    by_kind: Type.Object(KIND_COUNTS),
    replicas: Type.Integer({ description: 'How many replicas hold it' }),
    can_be_dropped: Type.Boolean({
      description: 'Nothing is sealed with it, and no replica seals with it',
    }),
  },
  { title: 'Sealing key' },
)

export const KeyringState = Type.Object(
  {
    sealing_key: Type.String({ description: 'Id of the key that this replica seals with' }),
    keys: Type.Array(SealingKey),
    unreadable: Type.Integer({ description: 'Records that are not sealed as they must be' }),
    replicas: Type.Array(
      Type.Object({
        id: Type.String(),
        keys: Type.Array(Type.String(), { description: 'Ids; it seals with the first' }),
        seen_at: Time,
      }),
      { description: 'Those that were there within the last minute' },
    ),
    reseal: Type.Union([ResealProgress, Type.Null()]),
  },
  { title: 'Keyring', description: 'What each sealing key still seals' },
)

export type KeyringWire = Static<typeof KeyringState>
export type ResealWire = Static<typeof ResealProgress>
