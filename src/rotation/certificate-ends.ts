/** When certificates end: one row for each active credential that has one. */

import { activeOf } from '../credentials/credential.ts'
import { everyIntegration } from '../integrations/every.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'

export interface CertificateEnd {
  readonly integration: string
  readonly credential: string
  /** Epoch milliseconds. */
  readonly notAfter: number
  /** Negative once it is over. */
  readonly secondsToExpiry: number
}

/** In order of name, each integration once. Who signs with another's credential is not counted again. */
export async function* certificateEnds(
  store: Pick<IntegrationStore, 'list'>,
  now: () => number,
): AsyncGenerator<CertificateEnd> {
  for await (const integration of everyIntegration(store)) {
    const end = endOf(integration, now())
    if (end) yield end
  }
}

function endOf({ name, credentials }: Integration, now: number): CertificateEnd | undefined {
  const active = activeOf(credentials)
  if (!active?.certificate) return undefined
  const { notAfter } = active.certificate
  return {
    integration: name,
    credential: active.id,
    notAfter,
    secondsToExpiry: Math.floor((notAfter - now) / 1000),
  }
}
