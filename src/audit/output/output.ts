/** Where audit lines go: the file of the settings, else stdout, which they share with the log. */
import { fstatSync, statSync } from 'node:fs'
import { checkAuditFile, createAuditFile } from './audit-file.ts'
import { createLineOutput, type LineOutput } from './line-output.ts'

interface AuditOutputOptions {
  /** Unset: stdout. */
  readonly path: string | undefined
  readonly stdout: LineOutput
  readonly monotonic: () => number
}

const STDOUT = 1

/** Throws the system's error where the path can only be a mistake. */
export function createAuditOutput({ path, stdout, monotonic }: AuditOutputOptions): LineOutput {
  if (path === undefined || isStdout(path)) return stdout
  checkAuditFile(path)
  return createLineOutput(createAuditFile({ path, monotonic }))
}

/** `/dev/stdout`, or the file that stdout was sent to: the two must take turns there. */
function isStdout(path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  const { dev, ino } = fstatSync(STDOUT)
  return named !== undefined && named.dev === dev && named.ino === ino
}
