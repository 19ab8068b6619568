/** Selects and orders the credentials that a mint may sign with. Pure. */
import type { Credential } from '../../credentials/credential.ts'
import { refusalOf, refusalRow } from '../../grants/refusals/refusals.ts'
import { clientIdOf, type Integration } from '../../integrations/integration.ts'

/** Order: the last one that worked, then active, staged, retired. The staged one never comes before the active one, because Salesforce must refuse the active one before a promotion. A staged credential with its own client is no candidate: only an operator activates it. */
export function candidatesOf(
  integration: Pick<Integration, 'grant'>,
  credentials: readonly Credential[],
  workedLast: string | undefined,
): readonly Credential[] {
  const active = credentials.find(({ state }) => state === 'active')
  if (!active) return []
  const client = clientIdOf(integration, active)
  // A later change of the grant may need another type.
  const ofKind = credentials.filter(({ type }) => type === active.type)
  const staged = ofKind.filter(
    (one) => one.state === 'staged' && clientIdOf(integration, one) === client,
  )
  const retired = ofKind.filter(({ state }) => state === 'retired')
  const ordered = [active, ...staged, ...retired].filter(
    (one) => clientIdOf(integration, one) !== undefined,
  )
  const isFirst = ({ id, state }: Credential) => id === workedLast && state !== 'staged'
  return [...ordered.filter(isFirst), ...ordered.filter((one) => !isFirst(one))]
}

/** Whether Salesforce refused the signature or the client secret. Then another credential may work. */
export function isSignatureRefusal(error: unknown): boolean {
  const refusal = refusalOf(error)
  return refusal !== undefined && refusalRow(refusal.reason).signature === true
}
