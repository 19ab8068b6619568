import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'

/** Data Cloud tokens. They have a fixed lifetime and are not sessions of the org. */
export interface DataCloud {
  /** Issues a new token at each exchange. */
  issue(of: DataCloudSubject): DataCloudToken
  find(token: string): DataCloudToken | undefined
  all(): readonly DataCloudToken[]
}

interface DataCloudSubject {
  readonly orgId: string
  readonly userId: string
  readonly dataspace: string | undefined
}

export interface DataCloudToken extends DataCloudSubject {
  readonly token: string
  readonly expiresAt: number
}

/** The lifetime that was observed: a little less than two hours. */
export const DATA_CLOUD_SECONDS = 7_193

export function createDataCloud(clock: Clock): DataCloud {
  const tokens = new Map<string, DataCloudToken>()
  return {
    issue(of) {
      const token = `eyJraWQiOiJDT1JFLjAwRCJ9.${randomBytes(60).toString('base64url')}.${randomBytes(60).toString('base64url')}`
      const issued = { ...of, token, expiresAt: clock.now() + DATA_CLOUD_SECONDS * 1_000 }
      tokens.set(token, issued)
      return issued
    },
    find(token) {
      const found = tokens.get(token)
      return found && found.expiresAt > clock.now() ? found : undefined
    },
    all: () => [...tokens.values()],
  }
}
