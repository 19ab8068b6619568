/** What a principal may do that is not here now: it asked for something that ends later, and may have lost its permission since. */
import { ADMIN } from './admin-key.ts'
import { type ApiKeyStore, permitsOf } from './api-key-store.ts'
import { type CallerEntry, permitsFor } from './caller-entry.ts'
import type { Permit, Principal } from './policy.ts'

/** A principal as a record keeps it. */
export interface Absent extends Pick<Principal, 'id' | 'kind' | 'name'> {
  /** When it proved who it is: an API key that was made later under the same name is another one. */
  readonly provenAt: number
}

export interface Standing {
  /** As of now; empty where it is no caller any more. What hangs on claims of a token cannot be told without it: then the issuer and the subject decide. */
  permitsOf(principal: Absent): Promise<readonly Permit[]>
}

export interface StandingDependencies {
  readonly keys: Pick<ApiKeyStore, 'readByName'>
  readonly callers: () => readonly CallerEntry[]
  readonly now: () => number
}

/** Clocks of replicas differ. */
const LEEWAY_MS = 30_000

export function createStanding({ keys, callers, now }: StandingDependencies): Standing {
  return {
    async permitsOf({ id, kind, name, provenAt }) {
      if (kind === 'admin') return ADMIN.permits
      if (kind === 'api_key') {
        const key = await keys.readByName(name)
        const isSame = key && key.createdAt <= provenAt + LEEWAY_MS && key.expiresAt > now()
        return isSame ? permitsOf(key) : []
      }
      if (kind === 'mtls') {
        return permitsFor(callers(), { kind, certificate: id.slice('mtls:'.length) }).permits
      }
      const [, issuer = '', subject = ''] = /^jwt:([^#]*)#(.*)$/s.exec(id) ?? []
      const entries = callers().map(withoutClaims)
      return permitsFor(entries, { kind, issuer, subject, claims: {} }).permits
    },
  }
}

function withoutClaims(entry: CallerEntry): CallerEntry {
  const { claims: _, ...match } = entry.match
  return { ...entry, match }
}
