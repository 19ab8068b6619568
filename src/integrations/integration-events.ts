/** Events of integrations in this process. */
import type { Integration } from './integration.ts'

export interface IntegrationEvents {
  /** This replica wrote or removed (`undefined`) an integration. The write is acknowledged after the listeners are done, so that this replica applies it at once. */
  'integration.written': {
    readonly name: string
    readonly written: { readonly rev: number; readonly integration: Integration } | undefined
  }
  /** The tokens of this integration changed their kind, or became internal. Tokens derived from them are dropped before the write is acknowledged. */
  'integration.tokens_changed': string
}
