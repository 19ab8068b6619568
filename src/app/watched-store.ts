/** Wires the store with the watch over it: what is not found in a store that lost its content is not said to be absent. */
import type { AuditLog } from '../audit/log.ts'
import type { Server } from '../http/server.ts'
import { guardStore } from '../store/guarded.ts'
import { heardAtOnce } from '../store/heard-at-once.ts'
import type { Change, Store } from '../store/store.ts'
import { createStoreWatch, type StoreWatchDependencies } from '../store/store-watch.ts'
import type { StoreState } from './readiness.ts'
import { registerStoreRoutes } from './routes.ts'

export interface WatchedStore {
  readonly store: Store
  state(): StoreState
  /** `POST /store/accept`; behind the guard. */
  registerRoutes(guarded: Server, audit: Pick<AuditLog, 'change'>): void
  start(): void
  stop(): Promise<void>
}

export interface WatchedStoreDependencies extends Omit<StoreWatchDependencies, 'store'> {
  readonly store: Store
  /** This replica changed an outcome. Must not throw. */
  readonly onOutcome: (change: Change) => void
}

export function watchStore(dependencies: WatchedStoreDependencies): WatchedStore {
  const { store, onOutcome, ...rest } = dependencies
  const { standing, check, accept, start, stop } = createStoreWatch({ store, ...rest })
  const guarded = guardStore(store, check)
  return {
    store: { ...guarded, outcomes: heardAtOnce(guarded.outcomes, onOutcome) },
    state: () => ({
      standing: standing(),
      evictionPolicy: store.evictionPolicy(),
      trouble: store.trouble(),
    }),
    registerRoutes: (guarded, audit) => registerStoreRoutes(guarded, { accept, audit }),
    start,
    stop,
  }
}
