/** The part of the port that keeps refresh tokens and whether they may be presented. */
import type { CustodyAges, Noted } from './custody-age.ts'
import type { Claim } from './records.ts'

/** `idle`: the refresh token may be presented. `spend`: it was or may have been presented, with an unknown result. `dead`: no valid token exists. */
export type CustodyState = 'idle' | 'spend' | 'dead'

/** The refresh token of an integration, separate from its configuration and ETag. */
export interface CustodyRecord {
  readonly uid: string
  /** Identifies the connection. Results of an earlier connection change nothing. */
  readonly family: string
  /** Generation, which each answer of Salesforce increments. Starts at 0. */
  readonly g: number
  /** Compact JWE; empty if there is none. */
  readonly token: string
  readonly state: CustodyState
  /** Id of the last presentation; empty before the first one of a family. */
  readonly id: string
  /** When the state began. */
  readonly at: number
  /** When the token was last received or used. */
  readonly keptAt: number
  /** Whether the last presentation was the one that is allowed with an unknown result. */
  readonly isFinal: boolean
  /** The reason for `dead`; empty otherwise. */
  readonly reason: string
  /** Public JSON text of the family. */
  readonly body: string
}

export interface CustodyBeginning {
  readonly uid: string
  /** The previous family; null: none. */
  readonly expected: string | null
  readonly family: string
  /** Empty: dead from the start, with `reason`. */
  readonly token: string
  readonly reason: string
  readonly body: string
  /** Delay until the next check, in milliseconds. */
  readonly lookInMs: number
}

export interface CustodyPresentation {
  readonly family: string
  readonly g: number
  /** The id of the last presentation, as read. */
  readonly id: string
  /** The id of this presentation. */
  readonly next: string
  readonly isFinal: boolean
  /** The highest known count of presentations. A lower count shows an old copy of the store. */
  readonly noted: number
  readonly lookInMs: number
}

/**
 * Refresh tokens, which may be spent only once: section 2 of the protocols. Every operation is
 * compare-and-set, announced, and as durable as a change of an integration. An index contains the
 * next check of each custody that is not dead.
 */
export interface Custodies extends CustodyAges {
  read(name: string): Promise<{ readonly record: CustodyRecord | undefined; readonly now: number }>
  /** Starts a new family at generation 0. `changed`: the previous family differs. `gone`: the integration does not exist. */
  begin(name: string, beginning: CustodyBeginning): Promise<'begun' | 'changed' | 'gone'>
  /**
   * SPEND: requires equal family, generation and id, and a state other than dead. Returns the
   * position of the store. `rewound`: the store is an old copy. `new_run`: it may be one, and
   * nobody vouched for it.
   */
  spend(
    name: string,
    presentation: CustodyPresentation,
  ): Promise<Noted | 'changed' | 'rewound' | 'new_run'>
  /** UNSPEND: back to idle, if this is still the last presentation. */
  unspend(name: string, id: string, lookInMs: number): Promise<boolean>
  /**
   * KEEP: stores the token and sets idle, if the family is equal and the stored generation is less,
   * even over `dead`. False: the family differs.
   */
  keep(
    name: string,
    kept: {
      readonly family: string
      readonly g: number
      readonly token: string
      readonly lookInMs: number
      /** An id of no presentation: the state becomes `spend` with this id instead of idle. */
      readonly doubt?: string
    },
  ): Promise<boolean>
  /** DEAD: requires equal family, generation and id. */
  kill(
    name: string,
    of: {
      readonly family: string
      readonly g: number
      readonly id: string
      readonly reason: string
    },
  ): Promise<boolean>
  /** CLAIM: takes at most `limit` names that are due, and postpones them. */
  claim(limit: number, postponeMs: number): Promise<Claim>
  /** Sets the time of the next check, unless the custody is dead or missing. */
  lookAt(name: string, at: number): Promise<void>
}
