/** The next step of an operator for a credential. */
import type { Credential } from '../credentials/credential.ts'
import { SETTINGS_PATH } from '../grants/refusals/refusal-row.ts'
import { clientIdOf, type Integration, isOfAnotherClient } from '../integrations/integration.ts'

/** Text for people, one or two sentences. */
export function nextStep(integration: Integration, credential: Credential): string {
  const path = `/integrations/${integration.name}/credentials/${credential.id}`
  if (credential.state === 'pending' && credential.type === 'client_secret') {
    return `POST ${path}/deploy has Salesforce make the secret, proves it and makes it the active one; GET ${path}/deployment says how far that is.`
  }
  if (credential.state === 'pending') {
    return `Have your CA sign the request in csr, then send the certificate alone, in PEM, to PUT ${path}/certificate.`
  }
  if (
    integration.certificateDeployment &&
    credential.state === 'staged' &&
    credential.type === 'certificate' &&
    !isOfAnotherClient(integration, credential)
  ) {
    return `POST ${path}/deploy uploads its certificate to Salesforce, proves it and makes it the active one; GET ${path}/deployment says how far that is.`
  }
  const upload = uploadOf(credential, path)
  if (credential.state === 'active') {
    return `It is the active credential at once, since there was none. ${upload}${draftHint(integration)}`
  }
  return isOfAnotherClient(integration, credential)
    ? `${upload} It never becomes active by itself, since it belongs to a client of its own: POST ${path}/activate proves it with a real mint and switches to it.`
    : `${upload} From then on it becomes active by itself, when Salesforce first refuses the active one and takes this one; POST ${path}/activate does it at once.`
}

function uploadOf({ type, certificate }: Credential, path: string): string {
  if (type === 'client_secret') {
    return `Make it the secret of the app in Salesforce, where it is not yet: ${SETTINGS_PATH} → Consumer Key and Secret (stage, then rotate).`
  }
  return certificate
    ? `Upload the certificate (GET ${path}/certificate) to the app in Salesforce, in place of the former: ${SETTINGS_PATH} → JWT Bearer Flow (Use digital signatures).`
    : `Upload the certificate of this key to the app in Salesforce, in place of the former: ${SETTINGS_PATH} → JWT Bearer Flow (Use digital signatures).`
}

const draftHint = (integration: Integration) =>
  integration.credentials.some((credential) => clientIdOf(integration, credential) !== undefined)
    ? ''
    : ` Then add the consumer key: PATCH /integrations/${integration.name} with grant.client_id.`
