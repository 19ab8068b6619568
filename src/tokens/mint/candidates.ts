/** Which credentials a mint may sign with, and in which order. Pure. */
import type { Credential } from '../../credentials/credential.ts'
import { refusalOf, refusalRow } from '../../grants/refusals/refusals.ts'
import { clientIdOf, type Integration } from '../../integrations/integration.ts'

/** The one that worked last comes first, then the active, the staged, the retired one. A staged credential never comes before the active one, which must be refused before a flip; one with a client of its own is activated by the operator alone, so it is no candidate. */
export function candidatesOf(
  integration: Pick<Integration, 'grant'>,
  credentials: readonly Credential[],
  workedLast: string | undefined,
): readonly Credential[] {
  const active = credentials.find(({ state }) => state === 'active')
  if (!active) return []
  const client = clientIdOf(integration, active)
  // A grant that was changed since may need another kind.
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

/** Was it the signature, or the client's secret, that Salesforce did not take? Then another credential may work. */
export function isSignatureRefusal(error: unknown): boolean {
  const refusal = refusalOf(error)
  return refusal !== undefined && refusalRow(refusal.reason).signature === true
}

const TRIES_WHILE_SPREADING = 12

/** While a change spreads over Salesforce's servers the answer is a matter of chance: keep at it where the flights before worked. */
export const triesOf = (candidates: readonly Credential[], hasWorked: boolean): number =>
  candidates.length === 1 ? 1 : hasWorked ? TRIES_WHILE_SPREADING : candidates.length

/** How often a credential is tried that is to become the active one. */
export const proofTriesOf = (hasWorked: boolean): number => (hasWorked ? TRIES_WHILE_SPREADING : 2)
