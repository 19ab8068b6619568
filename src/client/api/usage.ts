// Made by `npm run generate` from openapi.yaml.

export interface CalledRequest {
  readonly method: string
  /** As in `requests` of a key: `*` stands for versions, ids and other values. */
  readonly path: string
  /** Whether proofs were signed, or `requests` of the principal permitted none. */
  readonly outcome: 'permitted' | 'refused'
  readonly first_at: string
  /** Within the last 30 days. */
  readonly last_at: string
  /** Since `first_at`. */
  readonly count: number
}

export interface CallerCount {
  readonly principal: string
  /** Within the last 30 days. */
  readonly first_at: string
  readonly last_at: string
  /** Tokens handed out in the last 30 days, by UTC day. */
  readonly count: number
  /** Networks that it used in the last 30 days, at most 32, the last ones first. Absent: none is stored, for example because `watch` is false. */
  readonly networks?: readonly CallerNetwork[]
  /** Experimental. The requests to Salesforce for which it asked for proofs, or for a token at the gateway door that works with proofs only. At most 64, by path. Absent: none. `valetkey policy suggest` makes patterns of them. */
  readonly requests?: readonly CalledRequest[]
}

/** The principals that fetched tokens in the last 30 days. */
export interface CallerCountList {
  readonly items: readonly CallerCount[]
  readonly next_cursor: string | null
}

export interface CallerNetwork {
  /** A keyed hash, which `detail.network` of `caller.new_network` has, too; with `VALETKEY_CALLER_NETWORKS=plain` the /24 of an IPv4 address or the /64 of an IPv6 address. */
  readonly network: string
  /** The last day, in UTC. */
  readonly last_on: string
}
