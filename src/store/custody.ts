/** The part of the port that keeps refresh tokens: which one is current, and whether it may be presented. */
import type { CustodyAges, Noted } from './custody-age.ts'

/** `idle`: the refresh token may be presented. `spend`: it was, or is about to be, and what came of it is not known. `dead`: there is none that works. */
export type CustodyState = 'idle' | 'spend' | 'dead'

/** The refresh token of an integration, outside its configuration and ETag. */
export interface CustodyRecord {
  /** Of the integration. */
  readonly uid: string
  /** Another one with each connection: what comes of a former one changes nothing. */
  readonly family: string
  /** Generation: one more with each answer of Salesforce. Starts at 0. */
  readonly g: number
  /** Compact JWE; empty where there is none. */
  readonly token: string
  readonly state: CustodyState
  /** Of the last presentation; empty before the first of a family. */
  readonly id: string
  /** Since when it is in this state. */
  readonly at: number
  /** When the token was last got or used. */
  readonly keptAt: number
  /** Whether the last presentation was the one that may be made without knowing. */
  readonly isFinal: boolean
  /** Why it is dead; empty otherwise. */
  readonly reason: string
  /** Public JSON text, given with the family. */
  readonly body: string
}

export interface CustodyBeginning {
  readonly uid: string
  /** Of the family that was there; null: none was. */
  readonly expected: string | null
  readonly family: string
  /** Empty: dead from the beginning, for `reason`. */
  readonly token: string
  readonly reason: string
  readonly body: string
  /** When to look after it, in milliseconds from now. */
  readonly lookInMs: number
}

export interface CustodyPresentation {
  readonly family: string
  readonly g: number
  /** Of the last presentation, as it was read. */
  readonly id: string
  /** Of this one. */
  readonly next: string
  readonly isFinal: boolean
  /** The highest count of what was noted that is known: a lower one is the store's past. */
  readonly noted: number
  readonly lookInMs: number
}

/**
 * Refresh tokens that may be spent but once: section 2 of the protocols. Every operation is
 * compare-and-set, is announced, and outlives as many servers as a change of an integration does.
 * An index says which ones are to be looked after, and when; dead ones are not in it.
 */
export interface Custodies extends CustodyAges {
  /** With the store's clock. */
  read(name: string): Promise<{ readonly record: CustodyRecord | undefined; readonly now: number }>
  /** A new family, at generation 0. `changed`: another family is there than expected. `gone`: no such integration. */
  begin(name: string, beginning: CustodyBeginning): Promise<'begun' | 'changed' | 'gone'>
  /** SPEND: family, generation and id are equal and it is not dead. Gives where the store is with this one. `rewound`: the store went back in time. `new_run`: it may have, and nobody vouched for it yet. */
  spend(
    name: string,
    presentation: CustodyPresentation,
  ): Promise<Noted | 'changed' | 'rewound' | 'new_run'>
  /** UNSPEND: idle again, if the last presentation is still this one. */
  unspend(name: string, id: string, lookInMs: number): Promise<boolean>
  /** KEEP: stored and idle, if the family is equal and the stored generation is less, even over `dead`. False: the family is another one. */
  keep(
    name: string,
    kept: {
      readonly family: string
      readonly g: number
      readonly token: string
      readonly lookInMs: number
      /** An id that no presentation has: `spend` under it, and not idle. */
      readonly doubt?: string
    },
  ): Promise<boolean>
  /** DEAD: family, generation and id are equal. */
  kill(
    name: string,
    of: {
      readonly family: string
      readonly g: number
      readonly id: string
      readonly reason: string
    },
  ): Promise<boolean>
  /** CLAIM: takes at most `limit` names that are to be looked after, and puts them off. */
  claim(limit: number, postponeMs: number): Promise<readonly string[]>
  /** Puts the next look to this time, unless it is dead or gone. */
  lookAt(name: string, at: number): Promise<void>
}
