/** Audit lines among whatever else a process wrote. */
import type { AuditEvent } from '../../src/audit/event.ts'

/** Throws where a line is not JSON of its own: then two were mixed, or one was cut. The unfinished last one is left out. */
export function auditLines(text: string): readonly AuditEvent[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter(({ action }) => action !== undefined)
}

/** The request ids of token reads, in order. */
export const readsIn = (text: string): readonly (string | null)[] =>
  auditLines(text)
    .filter(({ action }) => action === 'token.read')
    .map(({ request_id }) => request_id)
