import { randomUUID } from 'node:crypto'
import type { Clock } from './clock.ts'
import { newRefreshToken } from './identifiers.ts'
import type { Settings } from './settings.ts'

/** Refresh tokens in families, one for each approval by a user. With rotation, each use replaces the token, and a replay of an old token ends its family. One request at a time may use a token. */
export interface RefreshTokens {
  /** A user approves an app. Above the limit, the user's oldest approval of it is revoked. */
  approve(approval: Approval): {
    readonly granted: RefreshToken
    readonly evicted: readonly string[]
  }
  find(token: string): RefreshToken | undefined
  /** Oldest first. */
  all(): readonly RefreshToken[]
  /** Marks a token as in use. False: it already is. */
  begin(token: string): boolean
  finish(token: string): void
  /** Records a use. With rotation, replaces the token and returns its successor. */
  use(token: string, rotates: boolean): RefreshToken
  revokeFamily(familyId: string): void
  revokeApp(appId: string): void
}

interface Approval {
  readonly orgId: string
  readonly userId: string
  readonly appId: string
  readonly scopes: readonly string[]
  /** Thumbprint of the key that it is bound to. Undefined: to none. */
  readonly jkt?: string | undefined
}

export interface RefreshToken extends Approval {
  readonly token: string
  readonly familyId: string
  readonly state: 'current' | 'rotated' | 'revoked'
  readonly createdAt: number
  readonly usedAt: number
}

interface RefreshTokensDependencies {
  readonly clock: Clock
  readonly settings: () => Settings
}

export function createRefreshTokens({ clock, settings }: RefreshTokensDependencies): RefreshTokens {
  const tokens = new Map<string, RefreshToken>()
  const processing = new Set<string>()

  function issue(approval: Approval, familyId: string): RefreshToken {
    const now = clock.now()
    const { orgId, userId, appId, scopes, jkt } = approval
    const issued: RefreshToken = {
      ...{ orgId, userId, appId, scopes, jkt },
      token: newRefreshToken(),
      familyId,
      state: 'current',
      createdAt: now,
      usedAt: now,
    }
    tokens.set(issued.token, issued)
    return issued
  }

  function revokeWhere(picks: (token: RefreshToken) => boolean): void {
    for (const token of tokens.values()) {
      if (picks(token)) tokens.set(token.token, { ...token, state: 'revoked' })
    }
  }

  return {
    approve(approval) {
      const current = [...tokens.values()].filter(
        ({ state, userId, appId }) =>
          state === 'current' && userId === approval.userId && appId === approval.appId,
      )
      const excess = Math.max(0, current.length + 1 - settings().approvalsPerUser)
      const evicted = current.slice(0, excess).map(({ familyId }) => familyId)
      revokeWhere(({ familyId }) => evicted.includes(familyId))
      return { granted: issue(approval, randomUUID()), evicted }
    },
    find: (token) => tokens.get(token),
    all: () => [...tokens.values()],
    begin(token) {
      if (processing.has(token)) return false
      processing.add(token)
      return true
    },
    finish(token) {
      processing.delete(token)
    },
    use(token, rotates) {
      const used = tokens.get(token)
      if (used === undefined) throw new Error('There is no such refresh token')
      const state = rotates ? 'rotated' : used.state
      const kept = { ...used, state, usedAt: clock.now() } as const
      tokens.set(token, kept)
      return rotates ? issue(used, used.familyId) : kept
    },
    revokeFamily(familyId) {
      revokeWhere((token) => token.familyId === familyId)
    },
    revokeApp(appId) {
      revokeWhere((token) => token.appId === appId)
    },
  }
}
