/** One pass over all seals, with its progress. It is in the store, so that any replica continues after a crash. */
import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'

export const ResealJob = Type.Object({
  /** The id of the key that will seal everything. */
  key: Type.String(),
  /** The current listing and the position in it. */
  listing: Type.Number(),
  after: nullable(Type.String()),
  /** Numbers of read, resealed and failed records. */
  seen: Type.Number(),
  resealed: Type.Number(),
  failed: Type.Number(),
  startedAt: Type.Number(),
  updatedAt: Type.Number(),
  finishedAt: nullable(Type.Number()),
  /** Id of the principal that asked. */
  by: Type.String(),
})

export type ResealJob = BodyOf<typeof ResealJob>

export const RESEAL_JOBS = documentKind({ kind: 'keyring', schema: ResealJob })
export const JOB_ID = 'reseal'

export function newJob(key: string, by: string, now: number): ResealJob {
  return {
    ...{ key, by, listing: 0, after: null, seen: 0, resealed: 0, failed: 0 },
    ...{ startedAt: now, updatedAt: now, finishedAt: null },
  }
}
