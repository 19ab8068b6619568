/** Converts credentials to their wire form, without secrets. */
import type { Credential } from '../credentials/credential.ts'
import { credentialInputOf } from '../credentials/credential-input.ts'
import type { OutsideMember } from '../credentials/outside.ts'
import { camelKeys, snakeKeys } from '../http/server/casing.ts'
import { clientIdOf, type Integration } from '../integrations/integration.ts'
import type { KeyReference } from '../signers/remote-key.ts'
import type { CredentialView, StageBody } from './schemas.ts'
import type { StagingInput } from './stage.ts'

const time = (at: number) => new Date(at).toISOString()
const timeOrNull = (at: number | null) => (at === null ? null : time(at))

export const stagingInputOf = (body: StageBody): StagingInput => credentialInputOf(camelKeys(body))

const signerViewOf = ({ name, key, keyVersion }: KeyReference) => ({
  ...{ name, key },
  ...(keyVersion !== undefined && { key_version: keyVersion }),
})

/** Each member in the form of a request, with the version that is in use. */
const outsideViewOf = ({ sources, versions }: NonNullable<Credential['outside']>) =>
  snakeKeys(
    Object.fromEntries(
      Object.entries(sources).map(([member, source]) => {
        const versionInUse = versions[member as OutsideMember]
        const inUse = versionInUse === undefined ? {} : { versionInUse }
        return [member, { vault: source, ...inUse }]
      }),
    ),
  )

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
    ...(credential.outside && { sources: outsideViewOf(credential.outside) }),
    ...(csr !== undefined && { csr }),
  }
}
