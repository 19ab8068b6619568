/** Composes the connection to Salesforce: allowed hosts, the HTTP client, and the reading of answers. */

import type { Secret } from '../crypto/secret.ts'
import { createDpopNonces, type DpopNonces } from '../dpop/nonces.ts'
import type { ProofSigning } from '../dpop/proof.ts'
import { createProvenOutbound } from '../dpop/proven-outbound.ts'
import { createHostRules, type HostRules } from '../http/outbound/login-host.ts'
import {
  createOutbound,
  type Outbound,
  type OutboundDependencies,
} from '../http/outbound/outbound.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import type { Changes } from '../store/store.ts'
import { type CredentialsApi, createCredentialsApi } from './org-api/credentials-api.ts'
import { createMetadataApi, type MetadataApi } from './org-api/metadata-api.ts'
import { createSalesforceClock, type SalesforceClock } from './salesforce-clock.ts'
import { createTokenEndpoint, type TokenEndpoint } from './token-endpoint/token-endpoint.ts'

export interface Salesforce {
  readonly hosts: HostRules
  readonly proxy: NonNullable<OutboundDependencies['proxy']>
  readonly outbound: Outbound
  readonly clock: SalesforceClock
  readonly nonces: DpopNonces
  readonly endpoint: TokenEndpoint
  readonly metadata: MetadataApi
  readonly credentials: CredentialsApi
}

interface SalesforceDependencies {
  readonly settings: {
    readonly loginHosts: readonly string[]
    readonly httpsProxy: Secret | undefined
    readonly noProxy: string | undefined
  }
  readonly lookup: OutboundDependencies['lookup'] | undefined
  /** Wraps the HTTP client. Default: does not. */
  readonly watched?: (outbound: Outbound) => Outbound
  /** Aborted when the process ends. */
  readonly stopping?: AbortSignal
  readonly proofs: {
    /** Sign with keys that the broker does not have. */
    readonly signers: ProofSigning
    /** Tells the other replicas which nonces Salesforce gave. Absent: there are none. */
    readonly changes?: Pick<Changes, 'announce'>
  }
  readonly runtime: Pick<Runtime, 'now' | 'uniqueId'>
  readonly log: Pick<Log, 'warn'>
}

export function composeSalesforce({
  settings,
  lookup,
  watched = (outbound) => outbound,
  stopping,
  proofs: { signers, changes },
  runtime: { now, uniqueId },
  log,
}: SalesforceDependencies): Salesforce {
  const hosts = createHostRules(settings.loginHosts)
  const proxy = {
    ...(settings.httpsProxy !== undefined && { httpsProxy: settings.httpsProxy.reveal() }),
    ...(settings.noProxy !== undefined && { noProxy: settings.noProxy }),
  }
  const outbound = watched(
    createOutbound({ hosts, proxy, ...(lookup && { lookup }), ...(stopping && { stopping }) }),
  )
  const clock = createSalesforceClock({
    onSkew: (host, aheadMs) =>
      log.warn(
        { host, aheadSeconds: Math.round(aheadMs / 1000) },
        'the clock of a login host differs from ours',
      ),
  })
  const nonces = createDpopNonces({ changes, uniqueId, log })
  const proven = createProvenOutbound({
    ...{ outbound, nonces, uniqueId, signers },
    nowAt: (host) => now() + clock.aheadMs(host),
  })
  const api = { outbound: proven, hosts, now }
  const endpoint = createTokenEndpoint({ ...api, clock })
  return {
    ...{ hosts, proxy, outbound, clock, nonces, endpoint },
    metadata: createMetadataApi(api),
    credentials: createCredentialsApi(api),
  }
}
