/** When certificates end: one row for each active credential that has one. */
import { activeOf } from '../credentials/credential.ts'
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

const READ_LIMIT = 1_000

/** Read by pages: in order of name, each integration once. Who signs with another's credential is not counted again. */
export async function* certificateEnds(
  store: Pick<IntegrationStore, 'list'>,
  now: () => number,
): AsyncGenerator<CertificateEnd> {
  let after: string | undefined
  do {
    const page = await store.list({ limit: READ_LIMIT, ...(after !== undefined && { after }) })
    for (const integration of page.items) {
      const end = endOf(integration, now())
      if (end) yield end
    }
    after = page.next ?? undefined
  } while (after !== undefined)
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
