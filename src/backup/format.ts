/**
 * The format of a backup. The first line identifies the backup in plain text. Each other line is a
 * compact JWE that is bound to the backup and to its position, so that no line can be altered,
 * moved, removed or inserted. The last line contains the counts.
 */
import { Type } from 'typebox'
import { NamedDataKeys } from '../keyring/data-keys/data-key-record.ts'
import type { ArchivedDocument, ArchivedIntegration } from '../store/archive.ts'
import { isCorrupt } from '../store/integrity/record-schema.ts'
import { type BodyOf, bodyReader } from '../store/record-body.ts'
import { BackupError } from './backup-error.ts'

/** Increase it if an older release cannot read the new format. */
export const FORMAT = 1

const TEXT_MAX = 64

const BackupHead = Type.Object({
  valetkey_backup: Type.Integer({ maximum: FORMAT }),
  id: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  created_at: Type.String({ maxLength: TEXT_MAX }),
  /** The release that wrote the backup. */
  version: Type.String({ maxLength: TEXT_MAX }),
  /** Id of the sealing key. */
  sealed_with: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$' }),
  /** The wrapped data keys of the store. Absent: it has none. */
  data_keys: Type.Optional(Type.Array(NamedDataKeys, { maxItems: 1000 })),
})

const readHead = bodyReader(BackupHead)

export type BackupHead = BodyOf<typeof BackupHead>

export type Section =
  | { readonly type: 'integrations'; readonly items: readonly ArchivedIntegration[] }
  | {
      readonly type: 'documents'
      readonly kind: string
      readonly items: readonly ArchivedDocument[]
    }
  | BackupEnd

export interface BackupEnd {
  readonly type: 'end'
  /** The first line, which is not sealed. */
  readonly head: string
  /** Numbers of integrations, and of documents by kind. */
  readonly counts: Readonly<Record<string, number>>
  /** Ids of the keys that seal the records. */
  readonly keys: readonly string[]
}

/** The record name of a section's seal. `place` counts from 1. */
export const sealName = (id: string, place: number): string => `backup:${id}:${place}`

/** Throws `refused`. The text is unverified, so errors contain only parts with a strict form. */
export function parseHead(line: string): BackupHead {
  try {
    const head = readHead(line, 'of a backup')
    const { valetkey_backup, id, created_at, version, sealed_with, data_keys } = head
    return {
      ...{ valetkey_backup, id, created_at, version, sealed_with },
      ...(data_keys && { data_keys }),
    }
  } catch (cause) {
    throw isCorrupt(cause)
      ? new BackupError('refused', 'the file is not a backup of Valetkey, or was altered', {
          cause,
        })
      : newerRelease(cause)
  }
}

/** Throws `record_corrupt`, or `another_version` if a newer release wrote it. */
export const readSection = bodyReader(
  Type.Unsafe<Section>(
    Type.Object({
      type: Type.Enum(['integrations', 'documents', 'end']),
      items: Type.Optional(Type.Array(Type.Object({}))),
      counts: Type.Optional(Type.Record(Type.String(), Type.Number())),
      keys: Type.Optional(Type.Array(Type.String())),
    }),
  ),
)

export const newerRelease = (cause: unknown): BackupError =>
  new BackupError('refused', 'a newer release wrote the backup: use that release', { cause })
