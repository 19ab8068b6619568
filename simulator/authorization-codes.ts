import type { Clock } from './clock.ts'
import { newAuthorizationCode } from './identifiers.ts'
import { Refused } from './refusals.ts'
import type { Settings } from './settings.ts'

/** Authorization codes: a user's approval in a browser, which may be exchanged once, for a short time (protocol, section 3.2). */
export interface AuthorizationCodes {
  issue(allowed: Allowed): string
  /** Uses the code. Throws `Refused` if it is unknown, used or expired. */
  redeem(code: string): Allowed
}

export interface Allowed {
  readonly appId: string
  readonly orgId: string
  readonly userId: string
  readonly scopes: readonly string[]
  readonly redirectUri: string
  /** S256. Undefined: the client sent none. */
  readonly codeChallenge: string | undefined
  /** Thumbprint of the key that the code, and what it is exchanged for, is bound to. */
  readonly dpopJkt?: string | undefined
}

interface AuthorizationCodesDependencies {
  readonly clock: Clock
  readonly settings: () => Settings
}

export function createAuthorizationCodes({
  clock,
  settings,
}: AuthorizationCodesDependencies): AuthorizationCodes {
  const codes = new Map<string, { allowed: Allowed; endsAt: number; isUsed: boolean }>()

  return {
    issue(allowed) {
      const code = newAuthorizationCode()
      const endsAt = clock.now() + settings().codeLifetimeMs
      codes.set(code, { allowed, endsAt, isUsed: false })
      return code
    },
    redeem(code) {
      const found = codes.get(code)
      if (found === undefined) throw new Refused('code_invalid')
      if (found.isUsed || clock.now() >= found.endsAt) throw new Refused('assertion_expired')
      codes.set(code, { ...found, isUsed: true })
      return found.allowed
    },
  }
}
