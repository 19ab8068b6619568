/** One going-through of everything sealed, and how far it came. In the store, so that any replica goes on where another died. */
import type { Documents } from '../store/store.ts'

export interface ResealJob {
  /** The key that everything is to be sealed with. */
  readonly key: string
  /** The listing that is gone through, and the place in it. */
  readonly listing: number
  readonly after: string | null
  /** Records looked at; those that were sealed anew; those that could not be. */
  readonly seen: number
  readonly resealed: number
  readonly failed: number
  readonly startedAt: number
  readonly updatedAt: number
  readonly finishedAt: number | null
  /** The principal that asked. */
  readonly by: string
}

export interface StoredJob {
  readonly version: number
  readonly job: ResealJob
}

export interface ResealJobs {
  read(): Promise<StoredJob | undefined>
  /** Compare-and-set. Undefined: it was changed meanwhile. */
  write(job: ResealJob, expected: number | 'absent'): Promise<StoredJob | undefined>
}

export const JOB_KIND = 'keyring'
const ID = 'reseal'

export function newJob(key: string, by: string, now: number): ResealJob {
  return {
    ...{ key, by, listing: 0, after: null, seen: 0, resealed: 0, failed: 0 },
    ...{ startedAt: now, updatedAt: now, finishedAt: null },
  }
}

export function createResealJobs(documents: Pick<Documents, 'read' | 'write'>): ResealJobs {
  const opened = ({ version, body }: { version: number; body: string }): StoredJob => ({
    version,
    job: JSON.parse(body) as ResealJob,
  })
  return {
    async read() {
      const record = await documents.read(JOB_KIND, ID)
      return record && opened(record)
    },
    async write(job, expected) {
      const record = await documents.write(JOB_KIND, ID, JSON.stringify(job), { expected })
      return record && opened(record)
    },
  }
}
