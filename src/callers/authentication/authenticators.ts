/** Every way to prove who one is, in the order in which they are asked. To add one, write its file and list it here. */

import type { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { ReplicaMemory } from '../../store/replica-cache.ts'
import type { Change, Documents } from '../../store/store.ts'
import { API_KEY_KIND } from '../api-key-store.ts'
import type { CallerEntry, IssuerSettings } from '../caller-entry.ts'
import {
  createRememberedDocuments,
  type RememberedDocumentsDependencies,
} from '../remembered-documents.ts'
import { createAdminKeyAuthenticator } from './admin-key.ts'
import { createApiKeyAuthenticator, knownApiKeyOf } from './api-key-authenticator.ts'
import type { Authenticator } from './authenticator.ts'
import { createClientCertificateAuthenticator } from './client-certificate.ts'
import { createSigningKeys, type SigningKeys } from './jwks.ts'
import { createJwtAuthenticator, type JwtAuthenticator } from './jwt.ts'
import { createKeySource } from './key-source.ts'

export interface Authenticators {
  /** The first that recognises its kind decides. */
  readonly list: readonly Authenticator[]
  /** Fetches the keys of the issuers. */
  start(): void
  stop(): Promise<void>
  /** From the change stream. */
  heard(change: Change): void
  /** Changes may have been missed. */
  distrust(): void
  /** This replica made or removed the API key. */
  forgetApiKey(id: string): void
  readonly issuers: JwtAuthenticator['issuers']
}

export interface AuthenticatorsDependencies {
  readonly adminKeys: readonly Secret[]
  readonly documents: Pick<Documents, 'read'>
  readonly memory: ReplicaMemory
  /** Whether an API key that is not remembered may be looked for. Default: yes. */
  readonly isWorthAsking?: RememberedDocumentsDependencies<unknown>['isWorthAsking']
  /** Each gives another array after a change. */
  readonly issuers: () => readonly IssuerSettings[]
  readonly callers: () => readonly CallerEntry[]
  /** To issuers, with a CA to trust besides the well-known ones. */
  readonly createOutbound: (ca: string | undefined) => Outbound
  readonly readFile: (path: string) => Promise<string>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
}

export function createAuthenticators(dependencies: AuthenticatorsDependencies): Authenticators {
  const { adminKeys, documents, memory, issuers, callers } = dependencies
  const { isWorthAsking, runtime } = dependencies
  const { wall, now, monotonic } = runtime
  const apiKeys = createRememberedDocuments({
    kind: API_KEY_KIND,
    documents,
    memory,
    parse: knownApiKeyOf,
    ...(isWorthAsking && { isWorthAsking }),
  })
  const jwt = createJwtAuthenticator({
    issuers,
    callers,
    createSigningKeys: (settings) => signingKeysOf(settings, dependencies),
    now: wall,
    monotonic,
  })
  return {
    list: [
      createAdminKeyAuthenticator(adminKeys),
      createApiKeyAuthenticator({ keys: apiKeys, now }),
      jwt,
      createClientCertificateAuthenticator({ callers, now: wall }),
    ],
    start: jwt.start,
    stop: jwt.stop,
    heard: apiKeys.heard,
    distrust: apiKeys.distrust,
    forgetApiKey: apiKeys.forget,
    issuers: jwt.issuers,
  }
}

function signingKeysOf(
  settings: IssuerSettings,
  { createOutbound, readFile, runtime, log }: AuthenticatorsDependencies,
): SigningKeys {
  const source = createKeySource(settings, {
    createOutbound,
    readFile,
    monotonic: runtime.monotonic,
  })
  const keys = createSigningKeys({
    fetch: source.fetch,
    runtime,
    onTrouble: (error) => {
      log.warn({ err: error, issuer: settings.issuer }, 'the keys of an issuer cannot be fetched')
    },
  })
  return {
    ...keys,
    async stop() {
      await keys.stop()
      await source.close()
    },
  }
}
