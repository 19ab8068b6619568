/** A credential that was just taken from a request or a file. */
import type { Credential, CredentialSecret } from './credential.ts'
import type { Remarks } from './key-material.ts'

/** A checked credential with its secret. It has no state yet. */
export interface FreshCredential {
  readonly credential: Credential
  readonly secret: CredentialSecret
  readonly remarks: Remarks
}
