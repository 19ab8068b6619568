/** Certificate deployment: Valetkey replaces the certificate or the client secret of an integration at Salesforce with another integration's token. Stored records keep the member name of former releases, which deployed certificates only. */
import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { CertificateDeployment, Definition, Integration } from './integration.ts'
import { referenced } from './references/referenced.ts'

export const settingsNameOf = ({ app, settings }: CertificateDeployment): string =>
  settings ?? globalOauthName(app)

/** The name that Setup gives to the global OAuth settings of an app. */
export const globalOauthName = (app: string): string => `${app}_glbloauth`

/** Accepts the deployment under the current or the former name of the member. */
export function deploymentNamed<Input extends object>({
  deployment,
  ...input
}: Input & { readonly deployment?: unknown }) {
  return { ...input, ...(deployment !== undefined && { certificateDeployment: deployment }) }
}

/** A writer that sets or changes a deployment can replace the certificate or secret of any app of that org. So it must be allowed to write the credentials of the integration in `through`. Throws `caller_forbidden`, `request_invalid`. */
export async function checkCertificateDeployment(check: {
  readonly name: string
  readonly definition: Definition
  readonly current: Integration | undefined
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}): Promise<void> {
  const { name, definition, current, principal, read } = check
  const { certificateDeployment: wanted, grant, credentialFrom } = definition
  if (!wanted || isDeepStrictEqual(wanted, current?.certificateDeployment)) return
  const { through } = wanted
  const other = await referenced('deployment', through, { by: name, principal, read })
  if (!other) throw wrong('/through names no other integration')
  if (credentialFrom !== null) throw wrong(' belongs to the integration that holds the credential')
  const type = grantOf(grant.type).credentialType(grant)
  if (type !== 'certificate' && type !== 'client_secret') {
    throw wrong(' is for integrations that sign with a key, or have a client secret alone')
  }
}

const wrong = (what: string) => new BrokerError('request_invalid', `body/deployment${what}`)
