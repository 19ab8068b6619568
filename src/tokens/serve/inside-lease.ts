/** Leases for internal use, also of integrations whose tokens are not served. */
import { type Actor, NOBODY } from '../../audit/event.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { FreezeGate } from '../../freezes/freeze-gate.ts'
import { type Integration, isDraft } from '../../integrations/integration.ts'
import type { MintCoordinator } from '../mint/mint-coordinator.ts'
import type { Lease } from './lease.ts'
import type { LeaseReader } from './lease-reader.ts'
import { answerIn, type TokenRequirement } from './token-requirement.ts'

/** `rejected`: the id of a token that Salesforce refused. `permit` throws if the integration's token is not for this purpose. Throws `integration_not_found`, `integration_disabled`, `integration_draft`, `integration_frozen`, `token_still_live`, and what a mint throws. */
export type InsideLease = (
  name: string,
  rejected?: string,
  permit?: (integration: Integration) => void,
) => Promise<Lease>

interface InsideLeaseDependencies {
  readonly reader: Pick<LeaseReader, 'look'>
  readonly coordinator: MintCoordinator
  readonly freezes: Pick<FreezeGate, 'require'>
  /** The purpose. The audit shows it as the request id. */
  readonly purpose: string
  readonly now: () => number
}

/** So that the token does not end during the work. */
const MIN_TTL_MS = 30_000

export const createInsideLease =
  ({ reader, coordinator, freezes, purpose, now }: InsideLeaseDependencies): InsideLease =>
  async (name, rejected, permit) => {
    const by: Actor = { ...NOBODY, requestId: purpose }
    const entry = await reader.look(name)
    if (!entry) {
      throw new BrokerError('integration_not_found', 'There is no such integration')
    }
    permit?.(entry.integration)
    if (!entry.integration.enabled) {
      throw new BrokerError('integration_disabled', 'The integration is disabled')
    }
    if (isDraft(entry.integration)) {
      throw new BrokerError('integration_draft', 'The integration is a draft')
    }
    await freezes.require(entry.integration)
    const requirement: TokenRequirement =
      rejected === undefined
        ? { kind: 'need', minTtlMs: MIN_TTL_MS }
        : { kind: 'rejected', tokenId: rejected }
    return (
      answerIn(entry, requirement, now()) ??
      (await coordinator.run(entry, requirement, by).result).lease
    )
  }
