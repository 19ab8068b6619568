/** Converts credentials to their wire form, without secrets. */
import type { Credential } from '../credentials/credential.ts'
import { camelKeys } from '../http/server/casing.ts'
import { clientIdOf, type Integration } from '../integrations/integration.ts'
import type { KeyReference } from '../signers/remote-key.ts'
import type { CredentialView, StageBody } from './schemas.ts'
import type { StagingInput } from './stage.ts'

const time = (at: number) => new Date(at).toISOString()
const timeOrNull = (at: number | null) => (at === null ? null : time(at))

export const stagingInputOf = (body: StageBody): StagingInput => camelKeys(body)

const signerViewOf = ({ name, key, keyVersion }: KeyReference) => ({
  ...{ name, key },
  ...(keyVersion !== undefined && { key_version: keyVersion }),
})

export function credentialViewOf(integration: Integration, credential: Credential): CredentialView {
  const { certificate, csr } = credential
  return {
    id: credential.id,
    type: credential.type,
    state: credential.state,
    client_id: clientIdOf(integration, credential) ?? null,
    created_at: time(credential.createdAt),
    activated_at: timeOrNull(credential.activatedAt),
    retires_at: timeOrNull(credential.retiresAt),
    certificate: certificate && {
      subject: certificate.subject,
      serial: certificate.serial,
      fingerprint_sha256: certificate.fingerprintSha256,
      not_before: time(certificate.notBefore),
      not_after: time(certificate.notAfter),
      key_bits: certificate.keyBits,
      pem: certificate.pem,
    },
    ...(credential.signer && { signer: signerViewOf(credential.signer) }),
    ...(csr !== undefined && { csr }),
  }
}
