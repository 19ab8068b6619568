/** Problems of a mint: of the integration, of its credentials, and of Salesforce. */
import type { ProblemCode } from '../../errors/problems.ts'

export const MINT_PROBLEMS = [
  'integration_not_found',
  'integration_disabled',
  'integration_draft',
  'integration_frozen',
  'integration_not_connected',
  'refresh_token_doubted',
  'credential_invalid',
  'credential_required',
  'login_budget_exhausted',
  'conflict',
  'grant_refused',
  'identity_changed',
  'token_not_bound',
  'token_response_invalid',
  'salesforce_unavailable',
  'signing_refused',
  'signer_unavailable',
  'record_corrupt',
  'salesforce_timeout',
] as const satisfies readonly ProblemCode[]
