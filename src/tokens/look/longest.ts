/** The most seconds that an answer may state as the life of a token. A key may say so for clients that keep a token for a part of its life. Pure. */
import type { Principal } from '../../callers/policy.ts'

/** Infinity: no limit. */
export const longestOf = ({ key }: Pick<Principal, 'key'>): number =>
  key?.maxExpiresInSeconds ?? Number.POSITIVE_INFINITY
