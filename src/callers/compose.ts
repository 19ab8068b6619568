/** Composes authentication: authenticators, the guard, API keys. */

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createOutbound, type OutboundDependencies } from '../http/outbound/outbound.ts'
import type { Server } from '../http/server/server.ts'
import type { Core } from '../store/core.ts'
import type { ReplicaMemory } from '../store/replica-cache.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { API_KEY_KIND, type CallerEvents, createApiKeyStore } from './api-key-store.ts'
import { knownApiKeyOf } from './authentication/api-key-authenticator.ts'
import {
  type AuthenticatorsDependencies,
  createAuthenticators,
} from './authentication/authenticators.ts'
import { isLoopback } from './authentication/key-source.ts'
import { createThrottle, type Throttle } from './authentication/throttle.ts'
import { type BrowserSessions, createBrowserSessions } from './browser-sessions.ts'
import { createDocumentIds } from './document-ids.ts'
import { createGate, type Gate } from './index.ts'
import { createPermissionResolver, type PermissionResolver } from './permission-resolver.ts'
import { createRememberedDocuments } from './remembered-documents.ts'
import { type CallerRouteDependencies, registerCallerRoutes } from './routes.ts'

export interface Callers {
  readonly gate: Gate
  readonly permissions: PermissionResolver
  /** For pages that a person reads. */
  readonly sessions: BrowserSessions
  /** Counts what an address shows that nobody knows. */
  readonly strangers: Pick<Throttle, 'isBlocked' | 'failed'>
  /** Registers `/whoami` and `/api-keys`, behind the guard. */
  registerRoutes(
    guarded: Server,
    onChanged: NonNullable<CallerRouteDependencies['onChanged']>,
  ): void
  readonly issuers: ReturnType<typeof createAuthenticators>['issuers']
  start(): void
  stop(): Promise<void>
}

export interface CallersDependencies {
  readonly core: Core<StoreEvents & CallerEvents>
  readonly adminKeys: AuthenticatorsDependencies['adminKeys']
  /** Says when remembered documents may be trusted. */
  readonly memory: ReplicaMemory
  readonly declared: AuthenticatorsDependencies['declared']
  readonly proxy: NonNullable<OutboundDependencies['proxy']>
}

export function composeCallers(dependencies: CallersDependencies): Callers {
  const { core, adminKeys, memory, declared, proxy } = dependencies
  const { events, runtime, log } = core
  const { documents, budgets } = core.store
  const { now } = runtime
  const throttle = createThrottle({ budgets, runtime, log })
  const ids = createDocumentIds({ documents, kind: API_KEY_KIND, stream: memory.stream })
  const apiKeys = createRememberedDocuments({
    ...{ kind: API_KEY_KIND, documents, memory },
    parse: knownApiKeyOf,
    // Random ids cost the store nothing. A valid key from the same address is still found.
    isWorthAsking: (id, from) =>
      from === undefined || !throttle.isBlocked(from.ip) || ids.mayBeThere(id),
  })
  const authenticators = createAuthenticators({
    ...{ adminKeys, apiKeys, declared, runtime, log },
    createOutbound: (ca) =>
      createOutbound({
        hosts: { allowsPrivate: (url) => url.protocol === 'http:' && isLoopback(url) },
        reach: 'anywhere',
        proxy,
        ...(ca !== undefined && { tls: { ca } }),
      }),
    readFile: (path) => readFile(path, 'utf8'),
  })
  events.on('store.changed', (change) => {
    apiKeys.heard(change)
    ids.heard(change)
  })
  events.on('store.gap', apiKeys.distrust)
  events.on('api_key.written', (id) => {
    apiKeys.forget(id)
    ids.add(id)
  })
  const keys = createApiKeyStore({ documents, now, events })
  const permissions = createPermissionResolver({ keys, callers: declared.callers, now })
  const gate = createGate({ authenticators: authenticators.list, throttle, permissions })
  const { keyring } = core
  return {
    gate,
    permissions,
    sessions: createBrowserSessions({ keyring, gate, apiKeys, adminKeys, now }),
    strangers: throttle,
    registerRoutes(guarded, onChanged) {
      const { confirm } = gate
      registerCallerRoutes(guarded, { keys, now, randomBytes, confirm, onChanged })
    },
    issuers: authenticators.issuers,
    start: authenticators.start,
    stop: authenticators.stop,
  }
}
