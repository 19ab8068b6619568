import type { App } from './apps.ts'
import type { Clock } from './clock.ts'
import type { Org, User } from './orgs.ts'
import type { Settings } from './settings.ts'

/** The sessions of access tokens. While a session is live, the same user, app and scopes get the same token. A use extends it. Idleness, revocation or a deactivated user ends it. */
export interface Sessions {
  /** Returns the live session of this user, app and scopes, or opens one. */
  open(request: SessionRequest): Session
  /** Finds the live session of a token. */
  find(token: string): Session | undefined
  /** Records a use of the session. */
  touch(token: string): void
  end(token: string): void
  /** Ends all sessions that match. Returns the number of live ones. */
  endWhere(picks: (session: Session) => boolean): number
  live(): readonly Session[]
}

interface SessionRequest {
  /** The time of the request, when a new session begins. */
  readonly now: number
  readonly org: Org
  readonly user: User
  readonly app: App
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly timeoutMs: number
  /** Sessions of a refresh token belong to its family, and are never shared. */
  readonly familyId?: string
  /** Creates the text of the token, which is opaque or a JWT. */
  readonly newToken: () => string
  /** Whether a use extends the session. False for a JWT, because its `exp` is fixed. */
  readonly slides: boolean
  /** The address of the client. */
  readonly sourceIp: string
  /** Thumbprint of the key that the token is bound to. Undefined: a bearer token. */
  readonly jkt?: string | undefined
}

export interface Session {
  readonly token: string
  readonly orgId: string
  readonly userId: string
  readonly appId: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly familyId: string | undefined
  readonly createdAt: number
  /** The time of the last recorded use. */
  readonly touchedAt: number
  readonly timeoutMs: number
  readonly slides: boolean
  /** The address that opened it. */
  readonly sourceIp: string
  /** Thumbprint of the key that the token is bound to. Undefined: a bearer token. */
  readonly jkt: string | undefined
  /** Identifies repetitions of the same request. */
  readonly key: string
}

interface SessionsDependencies {
  readonly clock: Clock
  readonly settings: () => Settings
  /** Whether the user and the org of a session are active. */
  readonly isEntitled: (session: Session) => boolean
}

export function createSessions({ clock, settings, isEntitled }: SessionsDependencies): Sessions {
  const byToken = new Map<string, Session>()
  const byKey = new Map<string, Session>()

  function remove(session: Session): void {
    byToken.delete(session.token)
    if (byKey.get(session.key)?.token === session.token) byKey.delete(session.key)
  }

  function put(session: Session): void {
    byToken.set(session.token, session)
    byKey.set(session.key, session)
  }

  function live(session: Session | undefined): Session | undefined {
    if (session === undefined) return undefined
    if (clock.now() >= expiresAt(session)) {
      remove(session)
      return undefined
    }
    return isEntitled(session) ? session : undefined
  }

  return {
    open({
      now,
      org,
      user,
      app,
      clientId,
      scopes,
      timeoutMs,
      familyId,
      newToken,
      slides,
      sourceIp,
      jkt,
    }) {
      const owner = [org.id, user.id, app.id, [...scopes].sort(), familyId ?? null]
      const isApart = jkt !== undefined && settings().dpop.otherKey === 'new_token'
      const key = JSON.stringify(isApart ? [...owner, jkt] : owner)
      const existing = familyId === undefined ? live(byKey.get(key)) : undefined
      if (existing !== undefined) {
        const session = settings().mintSlides ? touched(existing, now, settings()) : existing
        put(session)
        return session
      }
      const session: Session = {
        token: newToken(),
        orgId: org.id,
        userId: user.id,
        appId: app.id,
        clientId,
        scopes,
        familyId,
        createdAt: now,
        touchedAt: now,
        timeoutMs,
        slides,
        sourceIp,
        jkt,
        key,
      }
      put(session)
      return session
    },
    find: (token) => live(byToken.get(token)),
    touch(token) {
      const session = live(byToken.get(token))
      if (session !== undefined) put(touched(session, clock.now(), settings()))
    },
    end(token) {
      const session = byToken.get(token)
      if (session !== undefined) remove(session)
    },
    endWhere(picks) {
      const ended = [...byToken.values()].filter(
        (session) => live(session) !== undefined && picks(session),
      )
      for (const session of ended) remove(session)
      return ended.length
    },
    live: () => [...byToken.values()].filter((session) => live(session) !== undefined),
  }
}

export function expiresAt(session: Session): number {
  return session.touchedAt + session.timeoutMs
}

function touched(session: Session, now: number, { halfLifeTouch }: Settings): Session {
  if (!session.slides) return session
  const isTooSoon = halfLifeTouch && now - session.touchedAt < session.timeoutMs / 2
  return isTooSoon ? session : { ...session, touchedAt: now }
}
