/** Whether a principal may have proofs for requests to Salesforce. Pure. */
import { matchesGlob } from './glob.ts'
import type { Permission, Permit, Principal } from './policy.ts'
import { type PatternRefusal, patternRefusal } from './proof-pattern.ts'
import type { SeenRequest } from './request-pattern.ts'

/** The first request for which a principal may have no proof, by its place, and why. */
interface Unprovable {
  readonly at: number
  readonly refusal: PatternRefusal
}

/** Why the principal may not have proofs for all of these requests to this name, depending on labels. `forbidden`: for none. Undefined: it may. One permit must permit all of them. */
export function provingRefusal(
  { permits }: Principal,
  permission: Permission,
  name: string,
  requests: readonly SeenRequest[],
): Unprovable | 'forbidden' | undefined {
  const refusals = permits
    .filter((permit) => permit.permission === permission && permit.requests !== undefined)
    .filter(({ integrations }) => integrations.some((glob) => matchesGlob(glob, name)))
    .map((permit) => unprovable(permit, requests))
  if (refusals.some((refusal) => refusal === undefined)) return undefined
  return refusals.reduce(further, undefined) ?? 'forbidden'
}

/** The one that gets further explains more. */
const further = (one: Unprovable | undefined, other: Unprovable | undefined) =>
  one === undefined || (other !== undefined && other.at > one.at) ? other : one

function unprovable(
  { requests: patterns = [] }: Permit,
  requests: readonly SeenRequest[],
): Unprovable | undefined {
  for (const [at, request] of requests.entries()) {
    const refusal = patternRefusal(patterns, request)
    if (refusal !== undefined) return { at, refusal }
  }
  return undefined
}

/** The principal for the time of these requests, for their proofs: it may read the token by the permits that permit a proof for each of them, and by nothing else. */
export const proving = (
  principal: Principal,
  permission: Permission,
  requests: readonly SeenRequest[],
): Principal => ({
  ...principal,
  permits: [
    ...principal.permits.filter((permit) => permit.permission !== 'tokens:read'),
    ...principal.permits
      .filter((permit) => permit.permission === permission && permit.requests !== undefined)
      .filter((permit) => unprovable(permit, requests) === undefined)
      .map(({ integrations, labels }) => ({
        ...{ permission: 'tokens:read' as const, integrations, labels },
      })),
  ],
})
