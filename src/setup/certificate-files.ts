/** Metadata that replaces the certificate of an existing app: only its global OAuth settings. */
import type { Credential } from '../credentials/credential.ts'
import type { Integration } from '../integrations/integration.ts'
import { blueprintOf } from './blueprint.ts'
import { globalSettings } from './components.ts'
import { deployableOf, type MetadataFiles } from './metadata.ts'

interface CertificateFilesOptions {
  /** API name of the External Client App. */
  readonly app: string
  /** Full name of its global OAuth settings. */
  readonly settings: string
  readonly publicUrl: string | undefined
}

/** Omits the consumer key and secret, which therefore remain. A deployment replaces everything else. */
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
