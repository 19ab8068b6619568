/** What Valetkey answers at each cause, in the form in which a client prints it. */
import type { Cause } from './client-row.ts'

/** Causes that can be had with most clients. */
type Common = Exclude<Cause, 'secret_in_url' | 'version' | 'operation' | 'body'>

type Said = Readonly<Record<Common, readonly [error: string, code: string]>>

/** `wrongKey`: the error of Salesforce for the grant of the client. */
const atLoginUrl = (wrongKey: string): Said => ({
  wrong_key: [wrongKey, 'caller_unauthenticated'],
  wrong_name: ['invalid_grant', 'integration_not_found'],
  forbidden: ['invalid_grant', 'caller_forbidden'],
  other_grant: ['unsupported_grant_type', 'request_invalid'],
  rate: ['temporarily_unavailable', 'login_budget_exhausted'],
})

/** At `/oauth/token`. */
const AT_OAUTH: Said = {
  wrong_key: ['invalid_client', 'caller_unauthenticated'],
  wrong_name: ['invalid_scope', 'integration_not_found'],
  forbidden: ['invalid_scope', 'caller_forbidden'],
  other_grant: ['unsupported_grant_type', 'request_invalid'],
  rate: ['temporarily_unavailable', 'login_budget_exhausted'],
}

const DOORS = {
  client_credentials: atLoginUrl('invalid_client'),
  password: atLoginUrl('invalid_grant'),
  refresh_token: atLoginUrl('invalid_grant'),
  oauth: AT_OAUTH,
} as const

/** `error`: of the answer. `code`: of the problem, with which its description begins. */
type Print = (error: string, code: string) => string

export function printsOf(door: keyof typeof DOORS, print: Print): Readonly<Record<Common, string>> {
  const entries = Object.entries(DOORS[door]).map(([cause, said]) => [cause, print(...said)])
  return Object.fromEntries(entries) as Record<Common, string>
}
