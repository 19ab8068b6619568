/** Whether the file of the embedded store may take changes: looked at before and after each of them, and every second. */
import { BrokerError } from '../../errors/errors.ts'
import type { EmbeddedFile } from './file.ts'
import { FILE_TROUBLES, type FileTrouble } from './file-trouble.ts'

export interface EmbeddedHealth {
  /** Before a change. Throws `store_unavailable` where it would be lost. */
  requireSound(): void
  /** After a change. Throws `store_unavailable` where it went into a file that is there no more. */
  committed(): void
  /** SQLite refused something, with this result. */
  refused(result: number): void
  trouble(): FileTrouble | undefined
  /** Every second. */
  look(): void
}

export interface EmbeddedHealthDependencies {
  readonly file: EmbeddedFile
  /** Whether what is on the disk is what this process left there, and in order. May take a second where there is much. */
  readonly isSound: () => boolean
  /** Writes something that changes nothing. Throws where that fails. */
  readonly tryWrite: () => void
  /** Undefined: it is over. Must not throw. */
  readonly onTrouble: (trouble: FileTrouble | undefined) => void
}

/** SQLite's results by what they mean here, as far as the file itself does not tell. */
const BY_RESULT: Readonly<Record<number, FileTrouble>> = {
  8: 'unwritable',
  10: 'disk_failed',
  11: 'damaged',
  13: 'disk_full',
  14: 'disk_failed',
  26: 'damaged',
}

/** What memory and file have in common is lost: only another start helps. */
const LASTING: ReadonlySet<FileTrouble> = new Set(['truncated', 'damaged'])
/** A change is let through to find out; whether they are over is looked at every second. */
const TRIED: ReadonlySet<FileTrouble> = new Set(['disk_full', 'unwritable', 'disk_failed'])

/** Whoever writes into the file all the time must not keep this process busy with looking at it: at most so large a part of the time. */
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

  /** What the file itself tells. */
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

  /** `judge`, and what it says holds; what only a change can tell stays as it is. */
  const judged = (): FileTrouble | undefined => {
    const found = judge()
    if (found || !(trouble && TRIED.has(trouble))) set(found)
    return found
  }

  const refuse = (found: FileTrouble): never => {
    throw new BrokerError(
      'store_unavailable',
      `The embedded store takes no changes: ${FILE_TROUBLES[found].says}`,
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
        // Whatever SQLite said of it was told.
        if (error instanceof BrokerError) return
        throw error
      }
      if (room === undefined) set(undefined)
    },
  }
}
