/** Authenticates the admin key. The settings have one or two, with all permissions. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../crypto/secret.ts'
import { PERMISSIONS, type Principal } from '../policy.ts'
import type { Authenticator } from './authenticator.ts'

export const ADMIN: Principal = {
  id: 'admin',
  kind: 'admin',
  name: 'admin',
  permits: PERMISSIONS.map((permission) => ({ permission, integrations: ['*'], labels: {} })),
}

const digest = (text: string) => createHash('sha256').update(text).digest()

/** Compares digests in constant time, and does not stop at the first match. Only hashes texts with the length of a key, because most callers have other credentials. */
export function createAdminKeyAuthenticator(keys: readonly Secret[]): Authenticator {
  const known = keys.map((key) => digest(key.reveal()))
  const lengths = new Set(keys.map((key) => key.reveal().length))
  return {
    authenticate({ bearer }) {
      if (bearer === undefined || !lengths.has(bearer.length)) return undefined
      const given = digest(bearer)
      const matches = known.filter((key) => timingSafeEqual(key, given))
      return matches.length > 0 ? ADMIN : undefined
    },
  }
}
