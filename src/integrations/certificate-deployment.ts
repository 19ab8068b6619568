/** An integration whose certificate, or client secret, is replaced at Salesforce with another one's token. Records keep the name of former releases, which knew certificates alone. */
import { isDeepStrictEqual } from 'node:util'
import type { Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { grantOf } from '../grants/index.ts'
import type { CertificateDeployment, Definition, Integration } from './integration.ts'
import { referenced } from './references/referenced.ts'

export const settingsNameOf = ({ app, settings }: CertificateDeployment): string =>
  settings ?? globalOauthName(app)

/** As Setup names the global OAuth settings of an app. */
export const globalOauthName = (app: string): string => `${app}_glbloauth`

/** What came by either of its names on the wire. */
export function deploymentNamed<Input extends object>({
  deployment,
  ...input
}: Input & { readonly deployment?: unknown }) {
  return { ...input, ...(deployment !== undefined && { certificateDeployment: deployment }) }
}

interface DeploymentCheck {
  readonly name: string
  readonly definition: Definition
  readonly current: Integration | undefined
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}

/** Whoever sets or changes it may replace the certificate or the secret of any app of that org, and so must be allowed to write the credentials of the integration that it goes through. Throws `caller_forbidden`, `request_invalid`. */
export async function checkCertificateDeployment(check: DeploymentCheck): Promise<void> {
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
