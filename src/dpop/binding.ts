/** What an access token is bound to. */
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { BodyOf } from '../store/record-body.ts'
import { type DpopKey, openDpopKey, StoredDpopKey } from './dpop-key.ts'

/** Member of a lease whose token request had a proof. Absent: it had none, and the token is a bearer token. */
export const KeyBinding = Type.Object({
  /** The key that the token is bound to. Absent: Salesforce answered with a bearer token all the same. */
  key: Type.Optional(StoredDpopKey),
})

export type KeyBinding = BodyOf<typeof KeyBinding>

/** A lease, as far as its binding goes. */
export interface MaybeBound {
  readonly dpop?: KeyBinding
}

/** Whether the token works only with proofs. */
export const isBound = ({ dpop }: MaybeBound): boolean => dpop?.key !== undefined

/** The key that proofs for the token of a lease are signed with. Undefined: a bearer token, which needs none. Opens each key once. */
export const boundKeyOf = ({ dpop }: MaybeBound): DpopKey | undefined =>
  dpop?.key && openDpopKey(dpop.key)

/** The problem of whoever asks for a bound token without a proof. */
export const tokenBound = (integration: string): BrokerError =>
  new BrokerError(
    'token_bound',
    `The token of ${integration} is bound to a key of the broker, and works in no Authorization header alone`,
    { members: { integration } },
  )

/** The problem of an integration that expects bound tokens and got another one. */
export const tokenNotBound = (): BrokerError =>
  new BrokerError(
    'token_not_bound',
    'Salesforce gave a bearer token, and the integration expects one that is bound to its key',
  )
