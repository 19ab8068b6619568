/** The integration to examine: from the store or from a file. */
import type { Credential } from '../credentials/credential.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import type { BrokerError } from '../errors/errors.ts'
import type { OpenCredential } from '../grants/grant.ts'
import type { Integration } from '../integrations/integration.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { DiagnosisCheck } from './check.ts'

export interface DiagnosisTarget {
  readonly integration: Integration
  /** Its own credentials, or those of another integration that it uses. */
  readonly credentials: readonly Credential[]
  /** A failure that is already known. Salesforce is then not called. */
  readonly knownFailure?: DiagnosisCheck
  /** Replaces all checks that need a token, if none can be requested here. */
  readonly tokenWarning?: DiagnosisCheck
  /** Why the secret could not be read again from its vault. What is in memory is used. */
  readonly secretTrouble?: BrokerError
  /** Throws `record_corrupt`, and the problem of a secret that its vault did not give. */
  open(credential: Credential): Promise<OpenCredential>
  /** The key at a signer for proofs, if the definition names one. Throws `record_corrupt`. */
  proofKey?(): Promise<StoredDpopKey | undefined>
  /** Called before each login. Throws `login_budget_exhausted` or `store_unavailable`. */
  charge(): Promise<void>
  /** Mints without retries. Throws what a mint throws. */
  mint(charge: () => Promise<void>): Promise<Lease>
}
