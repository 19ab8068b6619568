/** Puts together all that tells callers from one another: ways to prove oneself, the gate, API keys. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { AuditLog } from '../audit/log.ts'
import { API_KEY_KIND, createApiKeyStore } from '../callers/api-key-store.ts'
import {
  type AuthenticatorsDependencies,
  createAuthenticators,
} from '../callers/authentication/authenticators.ts'
import { isLoopback } from '../callers/authentication/key-source.ts'
import { createThrottle } from '../callers/authentication/throttle.ts'
import { createDocumentIds } from '../callers/document-ids.ts'
import { createGate, type Gate } from '../callers/index.ts'
import {
  createPermissionResolver,
  type PermissionResolver,
} from '../callers/permission-resolver.ts'
import { registerCallerRoutes } from '../callers/routes.ts'
import { createOutbound, type OutboundDependencies } from '../http/outbound/outbound.ts'
import type { Server } from '../http/server/server.ts'
import type { Logger } from '../logger/logger.ts'
import type { Change, Store } from '../store/store.ts'

export interface Callers {
  readonly gate: Gate
  readonly standing: PermissionResolver
  /** From the change stream. */
  heard(change: Change): void
  /** Changes may have been missed. */
  distrust(): void
  /** `/whoami` and `/api-keys`; behind the guard. */
  registerRoutes(guarded: Server): void
  readonly issuers: ReturnType<typeof createAuthenticators>['issuers']
  start(): void
  stop(): Promise<void>
}

export interface CallersDependencies
  extends Pick<
    AuthenticatorsDependencies,
    'adminKeys' | 'hearing' | 'isSlow' | 'storelessMs' | 'issuers' | 'callers' | 'runtime'
  > {
  readonly store: Pick<Store, 'documents' | 'budgets'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly proxy: NonNullable<OutboundDependencies['proxy']>
  readonly log: Logger
}

export function composeCallers(dependencies: CallersDependencies): Callers {
  const { store, audit, proxy, runtime, log } = dependencies
  const throttle = createThrottle({ budgets: store.budgets, runtime, log })
  const ids = createDocumentIds({ ...store, kind: API_KEY_KIND, hearing: dependencies.hearing })
  const authenticators = createAuthenticators({
    ...dependencies,
    // Those who try ids at random cost the store nothing; a caller behind the same address is still looked for.
    isWorthAsking: (id, from) =>
      from === undefined || !throttle.isBlocked(from.ip) || ids.mayBeThere(id),
    documents: store.documents,
    createOutbound: (ca) =>
      createOutbound({
        hosts: { allowsPrivate: (url) => url.protocol === 'http:' && isLoopback(url) },
        reach: 'anywhere',
        proxy,
        ...(ca !== undefined && { ca }),
      }),
    readFile: (path) => readFile(path, 'utf8'),
  })
  const keys = createApiKeyStore({
    documents: store.documents,
    now: runtime.now,
    onWritten(id) {
      authenticators.forgetApiKey(id)
      ids.add(id)
    },
  })
  const standing = createPermissionResolver({
    keys,
    callers: dependencies.callers,
    now: runtime.now,
  })
  const gate = createGate({
    authenticators: authenticators.list,
    throttle,
    standing,
  })
  return {
    gate,
    standing,
    heard(change) {
      authenticators.heard(change)
      ids.heard(change)
    },
    distrust: authenticators.distrust,
    registerRoutes: (guarded) =>
      registerCallerRoutes(guarded, {
        keys,
        now: runtime.now,
        randomBytes,
        confirm: gate.confirm,
        onChanged: (request, { action, id }) =>
          audit.change(request, { action, integration: null, detail: { api_key: id } }),
      }),
    issuers: authenticators.issuers,
    start: authenticators.start,
    stop: authenticators.stop,
  }
}
