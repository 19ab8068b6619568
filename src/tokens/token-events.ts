/** Events of mints in this process. */
import type { Integration } from '../integrations/integration.ts'

export interface TokenEvents {
  /** Salesforce refused the active credential of this integration by its signature. */
  'credential.refused': Integration
}
