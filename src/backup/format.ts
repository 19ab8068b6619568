/**
 * The form of a backup: lines. The first says in the open which backup this is; each other one is a
 * compact JWE whose seal names the backup and its place in it, so that none can be altered, moved,
 * left out or brought in from elsewhere; the last one counts them all.
 */
import type { ArchivedDocument, ArchivedIntegration } from '../store/archive.ts'
import { BackupError } from './backup-error.ts'

/** Raise it when an older release could no longer read what is written. */
export const FORMAT = 1

export interface BackupHead {
  /** {@link FORMAT}. */
  readonly valetkey_backup: number
  readonly id: string
  readonly created_at: string
  /** Of the release that wrote it. */
  readonly version: string
  /** Id of the sealing key. */
  readonly sealed_with: string
}

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
  /** The first line, for that is not sealed. */
  readonly head: string
  /** How many of each: integrations, and documents by kind. */
  readonly counts: Readonly<Record<string, number>>
  /** Ids of the keys that the records in it are sealed with. */
  readonly keys: readonly string[]
}

/** What a section's seal is bound to. `place` counts from 1. */
export const sealName = (id: string, place: number): string => `backup:${id}:${place}`

const ID = /^[0-9a-f-]{36}$/
const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/
const TEXT_MAX = 64

/** Throws `refused`. The text is not proven yet, so nothing of it is repeated but what has a strict form. */
export function parseHead(line: string): BackupHead {
  let head: Partial<BackupHead> | null
  try {
    head = JSON.parse(line) as Partial<BackupHead> | null
  } catch (cause) {
    throw new BackupError('refused', 'the file is no backup of Valetkey', { cause })
  }
  const { valetkey_backup: format, id, created_at, version, sealed_with } = head ?? {}
  if (typeof format !== 'number' || !Number.isInteger(format)) {
    throw new BackupError('refused', 'the file is no backup of Valetkey')
  }
  if (format > FORMAT) {
    throw new BackupError('refused', 'the backup was written by a newer release: use that one')
  }
  const isText = (value: unknown): value is string =>
    typeof value === 'string' && value.length <= TEXT_MAX
  if (
    !isText(id) ||
    !ID.test(id) ||
    !isText(sealed_with) ||
    !KEY_ID.test(sealed_with) ||
    !isText(created_at) ||
    !isText(version)
  ) {
    throw new BackupError('refused', 'the first line of the backup was altered')
  }
  return { valetkey_backup: format, id, created_at, version, sealed_with }
}
