/** Wires the store with the watch over it: what is not found in a store that lost its content is not said to be absent. */
import type { AuditLog } from '../audit/log.ts'
import type { Server } from '../http/server.ts'
import { guardStore } from '../store/guarded.ts'
import type { Store } from '../store/store.ts'
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
}

export function watchStore({ store, ...rest }: WatchedStoreDependencies): WatchedStore {
  const { standing, check, accept, start, stop } = createStoreWatch({ store, ...rest })
  return {
    store: guardStore(store, check),
    state: () => ({ standing: standing(), evictionPolicy: store.evictionPolicy() }),
    registerRoutes: (guarded, audit) => registerStoreRoutes(guarded, { accept, audit }),
    start,
    stop,
  }
}
