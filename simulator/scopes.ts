import { Refused } from './refusals.ts'

/** Scopes as a client asks for them, and what it gets of them. */

/** The two names of the scope that brings a refresh token. */
const REFRESH_SCOPES = ['refresh_token', 'offline_access']

/** All that the app has, unless the client asks for less. Throws `Refused` where it asks for more. */
export function requestedScopes(
  asked: string | null | undefined,
  ofApp: readonly string[],
): readonly string[] {
  const wanted = (asked ?? '').split(' ').filter((scope) => scope !== '')
  if (wanted.length === 0) return ofApp
  const has = (scope: string) =>
    ofApp.includes(scope) ||
    ofApp.includes('full') ||
    (isRefreshScope(scope) && ofApp.some(isRefreshScope))
  if (!wanted.every(has)) throw new Refused('scope_invalid')
  return wanted
}

export function isRefreshScope(scope: string): boolean {
  return REFRESH_SCOPES.includes(scope)
}
