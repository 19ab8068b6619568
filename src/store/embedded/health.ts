/** Decides whether the file of the embedded store accepts changes. Checks it before and after each change and every second. */
import { BrokerError } from '../../errors/errors.ts'
import type { EmbeddedFile } from './file.ts'
import { FILE_TROUBLES, type FileTrouble } from './file-trouble.ts'

export interface EmbeddedHealth {
  requireSound(): void
  /** Called after a change. Throws `store_unavailable` if the file was removed meanwhile. */
  committed(): void
  /** Reports an error code of SQLite. */
  refused(result: number): void
  trouble(): FileTrouble | undefined
  look(): void
}

interface EmbeddedHealthDependencies {
  readonly file: EmbeddedFile
  /** Whether the disk has the content that this process wrote. May take a second for a large file. */
  readonly isSound: () => boolean
  /** Writes without an effect. Throws if the write fails. */
  readonly tryWrite: () => void
  /** Undefined: the failure is over. Must not throw. */
  readonly onTrouble: (trouble: FileTrouble | undefined) => void
}

/** Failures by error code of SQLite, if the file itself does not show them. */
const BY_RESULT: Readonly<Record<number, FileTrouble>> = {
  8: 'unwritable',
  10: 'disk_failed',
  11: 'damaged',
  13: 'disk_full',
  14: 'disk_failed',
  26: 'damaged',
}

/** Memory and file no longer match, so a restart is necessary. */
const LASTING: ReadonlySet<FileTrouble> = new Set(['truncated', 'damaged'])
/** Failures that are tested by a write every second. */
const TRIED: ReadonlySet<FileTrouble> = new Set(['disk_full', 'unwritable', 'disk_failed'])

/** Largest share of time for content checks, in case another process writes constantly. */
const SHARE = 1 / 20

export function createEmbeddedHealth(dependencies: EmbeddedHealthDependencies): EmbeddedHealth {
  const { file, isSound, tryWrite, onTrouble } = dependencies
  let trouble: FileTrouble | undefined
  let nextCheckAt = Number.NEGATIVE_INFINITY

  const set = (next: FileTrouble | undefined) => {
    if (next === trouble) return
    trouble = next
    onTrouble(next)
  }

  /** Failures that the file itself shows. */
  const judge = (): FileTrouble | undefined => {
    if (trouble && LASTING.has(trouble)) return trouble
    const seen = file.look()
    if (seen !== 'touched') return seen
    const startedAt = performance.now()
    if (startedAt < nextCheckAt) return undefined
    const isWell = isSound()
    nextCheckAt = performance.now() + (performance.now() - startedAt) / SHARE
    if (!isWell) return 'damaged'
    file.left()
    return undefined
  }

  /** Keeps a failure that only a write can disprove. */
  const judged = (): FileTrouble | undefined => {
    const found = judge()
    if (found || !(trouble && TRIED.has(trouble))) set(found)
    return found
  }

  const refuse = (found: FileTrouble): never => {
    throw new BrokerError(
      'store_unavailable',
      `The embedded store accepts no changes: ${FILE_TROUBLES[found].says}`,
      { retryAfterMs: 1_000, isTold: true },
    )
  }

  return {
    requireSound() {
      const found = judged()
      if (found) refuse(found)
    },
    committed() {
      const seen = file.look()
      if (seen === undefined || seen === 'touched') {
        file.left()
        return
      }
      set(seen)
      refuse(seen)
    },
    refused(result) {
      const found = judge() ?? BY_RESULT[result]
      if (found) set(found)
    },
    trouble: () => trouble,
    look() {
      if (judged()) return
      const room = file.room()
      if (room === 'unwritable') return set('unwritable')
      if (room === undefined && trouble === undefined) return
      try {
        tryWrite()
      } catch (error) {
        // SQLite's error was already reported.
        if (error instanceof BrokerError) return
        throw error
      }
      if (room === undefined) set(undefined)
    },
  }
}
