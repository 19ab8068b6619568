/** Finds the current permissions of a principal for work that ends after its request. It may have lost permissions since. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import { unlessCorrupt } from '../store/integrity/record-schema.ts'
import type { BodyOf } from '../store/record-body.ts'
import { type ApiKey, type ApiKeyStore, permitsOf } from './api-key-store.ts'
import { ADMIN } from './authentication/admin-key.ts'
import { type CallerEntry, permitsFor } from './caller-entry.ts'
import type { Permit, Principal, PrincipalKind } from './policy.ts'

/** A principal in a stored record. */
export const Absent = Type.Object({
  id: Type.String(),
  kind: Type.Unsafe<PrincipalKind>(Type.String()),
  name: Type.String(),
  /** Time of its authentication. A later API key with the same name is another principal. */
  provenAt: Type.Number(),
  /** Id of its API key. Older records lack it, and then name and time decide. */
  keyId: Type.Optional(Type.String()),
})

export type Absent = BodyOf<typeof Absent>

export const absentOf = ({ id, kind, name, key }: Principal, provenAt: number): Absent => ({
  ...{ id, kind, name, provenAt },
  ...(key && { keyId: key.id }),
})

export type PermissionResolver = ReturnType<typeof createPermissionResolver>

interface PermissionResolverDependencies {
  readonly keys: Pick<ApiKeyStore, 'read' | 'readByName'>
  readonly callers: () => readonly CallerEntry[]
  readonly now: () => number
}

/** Tolerance for differences between the clocks of replicas. */
const LEEWAY_MS = 30_000

export function createPermissionResolver({ keys, callers, now }: PermissionResolverDependencies) {
  const keyOf = async ({ name, provenAt, keyId }: Absent): Promise<ApiKey | undefined> => {
    if (keyId !== undefined) return unlessCorrupt(keys.read(keyId))
    const key = await unlessCorrupt(keys.readByName(name))
    return key && key.createdAt <= provenAt + LEEWAY_MS ? key : undefined
  }
  const isLive = (key: ApiKey | undefined): key is ApiKey =>
    key !== undefined && key.expiresAt > now()

  return {
    /** Whether the API key of a principal still exists and has not expired, according to the store. True for other principals, because nothing here can revoke them. */
    async stands({ key }: Principal): Promise<boolean> {
      if (key === undefined) return true
      try {
        return isLive(await unlessCorrupt(keys.read(key.id)))
      } catch (error) {
        // A store that lost its content has not revoked the key, so memory decides. An operator
        // must be able to accept the store.
        if (error instanceof BrokerError && error.code === 'store_reset') return true
        throw error
      }
    },
    /** Current permissions. Empty if it is no longer a caller. Claims are unknown without the token, so the issuer and the subject decide. */
    async permitsOf(principal: Absent): Promise<readonly Permit[]> {
      const { id, kind } = principal
      if (kind === 'admin') return ADMIN.permits
      if (kind === 'api_key') {
        const key = await keyOf(principal)
        return isLive(key) ? permitsOf(key) : []
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
