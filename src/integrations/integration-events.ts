/** Events of integrations in this process. */
import type { Integration } from './integration.ts'

export interface IntegrationEvents {
  /** This replica wrote or removed (`undefined`) an integration. The write is acknowledged when the listeners are done, so that this replica obeys it at once. */
  'integration.written': {
    readonly name: string
    readonly written: { readonly rev: number; readonly integration: Integration } | undefined
  }
  /** Tokens of this integration are of another kind now, or stay inside. What was made of them is dropped before the write is acknowledged. */
  'integration.tokens_changed': string
}
