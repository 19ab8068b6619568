import type { CertificateToUpload } from './blueprint.ts'
import type { SetupStep } from './step.ts'

export const certificatePath = (holder: string, id: string): string =>
  `/integrations/${holder}/credentials/${id}/certificate`

export function certificateStep(certificate: CertificateToUpload, path: string): SetupStep {
  return {
    title: 'Get the certificate',
    where: null,
    fields: [{ section: 'Certificate', ...certificateField(certificate, path) }],
  }
}

function certificateField({ credential, holder }: CertificateToUpload, path: string) {
  if (credential) {
    return {
      field: `GET ${certificatePath(holder, credential.id)}`,
      value: 'save it as a file',
      why: `The certificate of the ${credential.state} credential of ${holder}; it is public, unlike its key`,
    }
  }
  if (!path.endsWith(`/${holder}`)) {
    return {
      field: `GET /integrations/${holder}/setup`,
      value: 'ask somebody who may read it',
      why: `The integration signs with the key of ${holder}`,
    }
  }
  return {
    field: `PATCH ${path}`,
    value: '{"credential": {"generate": {}}}',
    why: 'There is no certificate to upload yet: this creates a key that never leaves the broker, and its certificate',
  }
}
