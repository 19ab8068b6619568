/** Whom the doctor looks at: an integration of the store, or one of a file. */
import type { Credential } from '../credentials/credential.ts'
import type { OpenCredential } from '../grants/grant.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { DiagnosisCheck } from './check.ts'

export interface DiagnosisTarget {
  readonly integration: Integration
  /** Those that it signs with: its own, or another's. */
  readonly credentials: readonly Credential[]
  /** What is wrong with it already; then nothing is asked of Salesforce. */
  readonly complaint?: DiagnosisCheck
  /** A warning in place of all that needs a token, where none can be asked for here. */
  readonly untried?: DiagnosisCheck
  /** Throws `record_corrupt`. */
  open(credential: Credential): Promise<OpenCredential>
  /** Before each login. Throws `login_budget_exhausted`, `store_unavailable`. */
  charge(): Promise<void>
  /** As any other mint, without a retry. Throws what a mint throws. */
  mint(charge: () => Promise<void>): Promise<Lease>
}
