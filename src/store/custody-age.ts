/** The part of the port that detects an old copy of the store, which may lack presentations of refresh tokens. */

/** `doubted`: it is unknown whether the store is complete. `rewound`: the store is known to be incomplete. */
export type DoubtKind = 'doubted' | 'rewound'

export interface CustodyAge {
  readonly id: string
  /** Identifies the server process of the store; a restored file has another one. Empty: unknown. */
  readonly run: string
  /** The first request in this run. */
  readonly runAt: number
  /** The run that was vouched for or distrusted; null: none. */
  readonly knownRun: string | null
  /** Counts presentations and doubts. Nothing else may change it, so that a run without a voucher keeps its initial count. */
  readonly noted: number
  /** A position in the history of the store: the count, after the last doubt. Two stores with the same point have the same content. */
  readonly point: string
  /** Present while refresh tokens wait for a decision. */
  readonly doubt: {
    readonly kind: DoubtKind
    /** The position at which the doubt began. */
    readonly point: string
  } | null
  readonly now: number
}

export interface Noted {
  readonly noted: number
  /** See `CustodyAge.point`; null during a doubt. */
  readonly point: string | null
}

/** Prefix of the ids of custodies that wait for Salesforce, a witness or an operator. */
export const DOUBTED_PREFIX = 'rewound:'
/** Suffix of such ids if a presentation was recorded. */
export const UNANSWERED_SUFFIX = ':unanswered'
/** Prefix of the ids of custodies that an operator declared restored. */
export const RESTORED_PREFIX = 'restored:'

interface Distrust {
  readonly id: string
  readonly kind: DoubtKind
  /** The highest known count; the count of the store is raised to it. */
  readonly noted: number
  readonly lookInMs: number
}

export interface CustodyAges {
  age(): Promise<CustodyAge>
  /** States that the store is complete. Refused unless `point` is the current point, or the point of the doubt; null skips the check. Restores the state before the doubt. Never applies to `rewound`. */
  vouch(run: string, point: string | null): Promise<boolean>
  /**
   * Puts every custody that is not dead into doubt: state `spend` with this id, and {@link
   * UNANSWERED_SUFFIX} if it was in `spend` before. Once per run, if runs are known. Returns the
   * number of custodies.
   */
  distrust(distrust: Distrust): Promise<number>
  /**
   * An operator accepts the store as restored: custodies in doubt, and with `all` also idle ones,
   * get the state `spend` with this id, which begins with {@link RESTORED_PREFIX}. With `forAnyRun`
   * the first reader vouches for the next run. Returns the number of custodies.
   */
  takeForRestored(of: {
    readonly id: string
    readonly all: boolean
    readonly forAnyRun?: boolean
    readonly lookInMs: number
  }): Promise<number>
  /** The number of custodies in doubt. At zero, the doubt ends. */
  doubted(): Promise<number>
}
