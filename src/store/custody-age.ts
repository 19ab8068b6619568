/** The part of the port that says how old the store may be: whether it holds everything about refresh tokens that was ever noted in it. */

/** `doubted`: nobody knew whether it does. `rewound`: somebody knew that it does not. */
export type DoubtKind = 'doubted' | 'rewound'

export interface CustodyAge {
  /** As `Store.identity` has it. */
  readonly id: string
  /** The life of the server that holds the store: a file that is put back is read by another one. Empty where it cannot be told. */
  readonly run: string
  /** When somebody first asked in this run. */
  readonly runAt: number
  /** The run for which somebody vouched, or in which nothing was trusted; null: none yet. */
  readonly knownRun: string | null
  /** The count of what was noted: presentations, and doubts. Nothing else may change it: in a run that nobody vouched for it is what it was when the run began. */
  readonly noted: number
  /** Where in its history the store is: the count, behind the last doubt. Two stores with one point hold the same. */
  readonly point: string
  /** While refresh tokens wait for it. */
  readonly doubt: {
    readonly kind: DoubtKind
    /** Where the store was when it arose. */
    readonly point: string
  } | null
  /** By the store's clock. */
  readonly now: number
}

/** Something was noted in it. */
export interface Noted {
  /** The count with it. */
  readonly noted: number
  /** See `CustodyAge.point`; null while there is a doubt. */
  readonly point: string | null
}

/** What the ids of custodies begin with that wait for a word from Salesforce, from a witness, or from an operator. */
export const DOUBTED_PREFIX = 'rewound:'
/** What they end with where a presentation was noted already. */
export const UNANSWERED_SUFFIX = ':unanswered'
/** What the ids begin with of those that an operator took for restored. */
export const RESTORED_PREFIX = 'restored:'

export interface Distrust {
  /** Of no presentation; begins with {@link DOUBTED_PREFIX}. */
  readonly id: string
  readonly kind: DoubtKind
  /** The highest count that is known; the store's becomes no less. */
  readonly noted: number
  readonly lookInMs: number
}

export interface CustodyAges {
  age(): Promise<CustodyAge>
  /** The store holds everything, as somebody says who was sure of it at this point (null: who needs not know), and is refused where that is not the point; where there is a doubt, its point. What was in doubt is what it was before. Never over `rewound`. */
  vouch(run: string, point: string | null): Promise<boolean>
  /** Everything that is not dead comes into doubt: `spend` under this id, with {@link UNANSWERED_SUFFIX} where it was that before. Once in a run, where runs can be told. Gives how many did. */
  distrust(distrust: Distrust): Promise<number>
  /** An operator takes this for what is to be gone on with: what is in doubt becomes `spend` under this id, which begins with {@link RESTORED_PREFIX}; with `all` what is idle, too. With `forAnyRun` the next run is vouched for by whoever looks first. Gives how many did. */
  takeForRestored(of: {
    readonly id: string
    readonly all: boolean
    readonly forAnyRun?: boolean
    readonly lookInMs: number
  }): Promise<number>
  /** How many are in doubt. Where none is, the doubt ends. */
  doubted(): Promise<number>
}
