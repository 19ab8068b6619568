/** Deployments at rest: one for each integration, the newest. */
import { anotherVersion, usablePageOf } from '../store/integrity/record-schema.ts'
import type { DocumentRecord, Documents } from '../store/store.ts'
import { type Deployment, isDeploymentOver, PHASES } from './deployment.ts'

export interface StoredDeployment {
  /** The integration's. */
  readonly name: string
  readonly version: number
  readonly deployment: Deployment
}

export interface DeploymentStore {
  read(name: string): Promise<StoredDeployment | undefined>
  all(): AsyncGenerator<StoredDeployment>
  /** Compare-and-set. Undefined: it was changed meanwhile. */
  write(
    name: string,
    deployment: Deployment,
    expected: number | 'absent',
  ): Promise<StoredDeployment | undefined>
  remove(name: string): Promise<void>
}

const KIND = 'deployment'
const READ_LIMIT = 1_000
/** How long one that is over can be read. */
const KEPT_MS = 30 * 86_400_000

export function createDeploymentStore(documents: Documents, now: () => number): DeploymentStore {
  /** Throws `another_version`. */
  const opened = ({ id: name, version, body }: DocumentRecord): StoredDeployment => {
    const deployment = JSON.parse(body) as Deployment
    if (!Object.hasOwn(PHASES, deployment.phase)) throw anotherVersion(`the deployment of ${name}`)
    return { name, version, deployment }
  }

  return {
    async read(name) {
      const record = await documents.read(KIND, name)
      return record && opened(record)
    },
    async *all() {
      let after: string | undefined
      do {
        const page = await documents.list(KIND, {
          limit: READ_LIMIT,
          ...(after !== undefined && { after }),
        })
        yield* usablePageOf(page.items, page.items.length, { idOf: ({ id }) => id, parse: opened })
          .items
        after = page.next ?? undefined
      } while (after !== undefined)
    },
    async write(name, deployment, expected) {
      const record = await documents.write(KIND, name, JSON.stringify(deployment), {
        expected,
        ...(isDeploymentOver(deployment) && { expiresAt: now() + KEPT_MS }),
      })
      return record && opened(record)
    },
    async remove(name) {
      await documents.remove(KIND, name, 'any')
    },
  }
}
