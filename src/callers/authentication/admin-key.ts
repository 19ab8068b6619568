/** The admin key: one or two keys of the settings, with every permission. */
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

/** Compares digests, in constant time and without stopping at the first match. Only what is as long as a key is hashed: most callers are others. */
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
