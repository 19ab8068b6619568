import { Refused } from './refusals.ts'

/** Requested and granted scopes. */

/** The two names of the scope for a refresh token. */
const REFRESH_SCOPES = ['refresh_token', 'offline_access']

/** All scopes of the app, unless the client requests fewer. Throws `Refused` if it requests more. */
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
