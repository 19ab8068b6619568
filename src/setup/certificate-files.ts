/** What replaces the certificate of an app that is there: its global OAuth settings alone, in the format of the Metadata API. Pure. */
import type { Credential } from '../credentials/credential.ts'
import type { Integration } from '../integrations/integration.ts'
import { blueprintOf } from './blueprint.ts'
import { globalSettings } from './components.ts'
import { deployableOf, type MetadataFiles } from './metadata.ts'

export interface CertificateFilesOptions {
  /** API name of the External Client App. */
  readonly app: string
  /** Full name of its global OAuth settings. */
  readonly settings: string
  /** How browsers reach this service. */
  readonly publicUrl: string | undefined
}

/** Without key or secret of the consumer, which so stay. A deployment replaces all the rest. */
export function certificateFilesOf(
  integration: Integration,
  credential: Credential,
  { app, settings, publicUrl }: CertificateFilesOptions,
): MetadataFiles {
  const blueprint = {
    ...blueprintOf(integration, { publicUrl, owner: undefined }),
    apiName: app,
    label: app,
    certificate: { credential, holder: integration.name },
  }
  return deployableOf([globalSettings(blueprint, settings)])
}
