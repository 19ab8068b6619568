import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { type Claims, mintByAssertion, newSigningKey, type Reply } from './requester.ts'

/** What an operator did wrong, and what Salesforce says to it. */
export interface Misconfiguration {
  readonly what: string
  readonly error: string
  readonly description: string
  /** Sets the fault up and makes the request. */
  readonly request: (world: Prepared) => Promise<Reply>
}

/** A simulator with an app for each grant, nothing wrong with it yet. */
export interface Prepared {
  readonly simulator: Simulator
  readonly jwt: AppSeed
  readonly service: AppSeed
}

export const key = await newSigningKey()
/** A good key that is no app's. */
export const stranger = await newSigningKey()

export const claimed =
  (claims: Claims) =>
  ({ jwt }: Prepared): Promise<Reply> =>
    mintByAssertion(jwt, key, claims)
