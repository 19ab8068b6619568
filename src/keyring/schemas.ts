/** The wire form of the keyring: ids and counts, never a key. */
import { type Static, Type } from 'typebox'
import { SEALED, type SealedKind } from './sealed-records.ts'

const Time = Type.String({ format: 'date-time' })

export const ResealProgress = Type.Object(
  {
    key: Type.String({ description: 'Id of the key that will seal everything' }),
    state: Type.Unsafe<'running' | 'done'>({ type: 'string', enum: ['running', 'done'] }),
    seen: Type.Integer({ description: 'Number of records read so far' }),
    resealed: Type.Integer({ description: 'Number of records that were resealed' }),
    failed: Type.Integer({
      description: 'Number of records that could not be resealed. The log names them',
    }),
    started_at: Time,
    updated_at: Time,
    finished_at: Type.Union([Time, Type.Null()]),
  },
  {
    title: 'Reseal progress',
    description: 'The progress over all records. Any replica continues the work',
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

const WrappedBy = Type.Object(
  {
    name: Type.String({ description: 'As `VALETKEY_KEYRING` names it' }),
    signer: Type.String({ description: 'The signer that wraps it' }),
    key: Type.String({ description: 'The key of the signer' }),
    key_version: Type.Union([Type.Integer(), Type.Null()], {
      description: 'The version of that key. Null: the signer states none',
    }),
  },
  { title: 'Wrapped by', description: 'What wraps a data key, which the store holds' },
)

const SealingKey = Type.Object(
  {
    id: Type.String(),
    state: Type.Unsafe<'sealing' | 'opening' | 'missing'>({
      type: 'string',
      enum: ['sealing', 'opening', 'missing'],
      description:
        '`sealing`: the first of the keyring of this replica; `opening`: another of it; `missing`: records name it, and it is not there, so they are lost without it',
    }),
    wrapped_by: Type.Union([WrappedBy, Type.Null()], {
      description: 'Null: `VALETKEY_KEYRING` has the key itself, or this replica lacks it',
    }),
    records: Type.Integer({ description: 'Number of records that are sealed with it' }),
    by_kind: Type.Object(KIND_COUNTS),
    replicas: Type.Integer({ description: 'Number of replicas that have it' }),
    can_be_dropped: Type.Boolean({
      description: 'Whether nothing is sealed with it and no replica seals with it',
    }),
  },
  { title: 'Sealing key' },
)

export const KeyringState = Type.Object(
  {
    sealing_key: Type.String({ description: 'Id of the key that this replica seals with' }),
    keys: Type.Array(SealingKey),
    unreadable: Type.Integer({ description: 'Number of records without a valid seal' }),
    replicas: Type.Array(
      Type.Object({
        id: Type.String(),
        keys: Type.Array(Type.String(), {
          description: 'Ids of its keys. It seals with the first one',
        }),
        seen_at: Time,
      }),
      { description: 'The replicas of the last minute' },
    ),
    reseal: Type.Union([ResealProgress, Type.Null()]),
  },
  { title: 'Keyring', description: 'What each sealing key still seals' },
)

export type KeyringWire = Static<typeof KeyringState>
export type ResealWire = Static<typeof ResealProgress>
