/** One going-through of everything sealed, and how far it came. In the store, so that any replica goes on where another died. */
import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'

export const ResealJob = Type.Object({
  /** The key that everything is to be sealed with. */
  key: Type.String(),
  /** The listing that is gone through, and the place in it. */
  listing: Type.Number(),
  after: nullable(Type.String()),
  /** Records looked at; those that were sealed anew; those that could not be. */
  seen: Type.Number(),
  resealed: Type.Number(),
  failed: Type.Number(),
  startedAt: Type.Number(),
  updatedAt: Type.Number(),
  finishedAt: nullable(Type.Number()),
  /** The principal that asked. */
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
