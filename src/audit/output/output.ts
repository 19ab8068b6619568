/** Destination of audit lines: the file in the settings, otherwise stdout, which also has the log. */
import { fstatSync, statSync } from 'node:fs'
import { checkAuditFile, createAuditFile } from './audit-file.ts'
import { createLineOutput, type LineOutput } from './line-output.ts'

interface AuditOutputOptions {
  /** Absent: stdout. */
  readonly path: string | undefined
  readonly stdout: LineOutput
  readonly monotonic: () => number
}

const STDOUT = 1

/** Throws the system's error if the path is invalid. */
export function createAuditOutput({ path, stdout, monotonic }: AuditOutputOptions): LineOutput {
  if (path === undefined || isStdout(path)) return stdout
  checkAuditFile(path)
  return createLineOutput(createAuditFile({ path, monotonic }))
}

/** Whether the path is `/dev/stdout` or the file to which stdout is redirected. Then both must take turns. */
function isStdout(path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  const { dev, ino } = fstatSync(STDOUT)
  return named !== undefined && named.dev === dev && named.ino === ino
}
