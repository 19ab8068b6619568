/** Wires the way to Salesforce: which hosts may be called, through what, and what its answers mean. */
import type { Config } from '../config/config.ts'
import { type CredentialsApi, createCredentialsApi } from '../grants/org-api/credentials-api.ts'
import { createMetadataApi, type MetadataApi } from '../grants/org-api/metadata-api.ts'
import { createSalesforceClock, type SalesforceClock } from '../grants/salesforce-clock.ts'
import { createTokenEndpoint, type TokenEndpoint } from '../grants/token-endpoint/token-endpoint.ts'
import { createHostRules, type HostRules } from '../http/outbound/login-host.ts'
import {
  createOutbound,
  type Outbound,
  type OutboundDependencies,
} from '../http/outbound/outbound.ts'
import type { Logger } from '../logger/logger.ts'

export interface Salesforce {
  readonly hosts: HostRules
  readonly proxy: NonNullable<OutboundDependencies['proxy']>
  readonly outbound: Outbound
  readonly clock: SalesforceClock
  readonly endpoint: TokenEndpoint
  readonly metadata: MetadataApi
  readonly credentials: CredentialsApi
}

export interface SalesforceDependencies {
  readonly config: Pick<Config, 'loginHosts' | 'httpsProxy' | 'noProxy'>
  readonly lookup: OutboundDependencies['lookup'] | undefined
  /** What stands around the way out. Default: nothing. */
  readonly watched?: (outbound: Outbound) => Outbound
  /** The process ends. */
  readonly stopping?: AbortSignal
  readonly now: () => number
  readonly log: Pick<Logger, 'warn'>
}

export function composeSalesforce({
  config,
  lookup,
  watched = (outbound) => outbound,
  stopping,
  now,
  log,
}: SalesforceDependencies): Salesforce {
  const hosts = createHostRules(config.loginHosts)
  const proxy = {
    ...(config.httpsProxy !== undefined && { httpsProxy: config.httpsProxy.reveal() }),
    ...(config.noProxy !== undefined && { noProxy: config.noProxy }),
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
  const endpoint = createTokenEndpoint({ outbound, hosts, now, clock })
  return {
    ...{ hosts, proxy, outbound, clock, endpoint },
    metadata: createMetadataApi({ outbound, hosts, now }),
    credentials: createCredentialsApi({ outbound, hosts, now }),
  }
}
