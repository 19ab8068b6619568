/** All authenticators, in the order in which they are asked. To add one, write its file and list it here. */

import type { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { CallerEntry, IssuerSettings } from '../caller-entry.ts'
import type { RememberedDocuments } from '../remembered-documents.ts'
import { createAdminKeyAuthenticator } from './admin-key.ts'
import { createApiKeyAuthenticator, type KnownApiKey } from './api-key-authenticator.ts'
import { createClientCertificateAuthenticator } from './client-certificate.ts'
import { createSigningKeys, type SigningKeys } from './jwks.ts'
import { createJwtAuthenticator } from './jwt.ts'
import { createKeySource } from './key-source.ts'

/** Callers and issuers of the configuration file. Each function returns a new array after a change. */
interface DeclaredCallers {
  readonly issuers: () => readonly IssuerSettings[]
  readonly callers: () => readonly CallerEntry[]
}

export interface AuthenticatorsDependencies {
  readonly adminKeys: readonly Secret[]
  readonly apiKeys: Pick<RememberedDocuments<KnownApiKey>, 'find'>
  readonly declared: DeclaredCallers
  /** For calls to issuers. `ca` is trusted in addition to the well-known CAs. */
  readonly createOutbound: (ca: string | undefined) => Outbound
  readonly readFile: (path: string) => Promise<string>
  readonly runtime: Runtime
  readonly log: Pick<Log, 'warn'>
}

export function createAuthenticators(dependencies: AuthenticatorsDependencies) {
  const { adminKeys, apiKeys, declared, runtime } = dependencies
  const { issuers, callers } = declared
  const { wall, now, monotonic } = runtime
  const jwt = createJwtAuthenticator({
    issuers,
    callers,
    createSigningKeys: (settings) => signingKeysOf(settings, dependencies),
    now: wall,
    monotonic,
  })
  return {
    /** The first one that recognises the credential decides. */
    list: [
      createAdminKeyAuthenticator(adminKeys),
      createApiKeyAuthenticator({ keys: apiKeys, now }),
      jwt,
      createClientCertificateAuthenticator({ callers, now: wall }),
    ],
    /** Fetches the keys of the issuers. */
    start: jwt.start,
    stop: jwt.stop,
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
