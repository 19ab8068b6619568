/** Measures reads, mints, waits and refreshes. */
import type { LostReason } from '../custody/connection.ts'
import type { ChangeSubscription } from '../store/change-subscription.ts'
import type { MintCoordinator } from './mint/mint-coordinator.ts'
import type { Refreshed } from './refresh/refresher.ts'
import type { Broker } from './serve/broker.ts'
import type { TokenRequester } from './serve/token-request.ts'

export interface EngineMeter {
  broker(broker: Broker): Broker
  requester(requester: TokenRequester): TokenRequester
  /** Wraps the change subscription on which a mint waits while another replica holds the lock. */
  waits(
    subscription: Pick<ChangeSubscription, 'onceChanged'>,
  ): Pick<ChangeSubscription, 'onceChanged'>
  /** Wraps the coordinator that replaces due leases. */
  refreshes(coordinator: MintCoordinator): MintCoordinator
  refreshed(refreshed: Refreshed): void
  connectionLost(reason: LostReason): void
  /** A client in a loop of logins was refused. */
  loginLoop(): void
}
