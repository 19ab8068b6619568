/** Whether a principal may have proofs for requests to Salesforce. Pure. */
import { matchesGlob } from './glob.ts'
import { type Permission, type Permit, type Principal, withPermits } from './policy.ts'
import { type PatternRefusal, readProven, refusalBy } from './proof-pattern.ts'
import type { SeenRequest } from './request-pattern.ts'

/** The first request for which a principal may have no proof, by its place, and why. */
interface Unprovable {
  readonly at: number
  readonly refusal: PatternRefusal
}

/** Whoever may have proofs. */
interface Proving {
  /** The principal for the time of these requests, for their proofs: it may read the token by the permits that permit a proof for each of them, and by nothing else. */
  readonly prover: Principal
}

type ReadRequests = readonly ReturnType<typeof readProven>[]

/** The principal that may have proofs for all of these requests to this name, depending on labels; or why it may not. `forbidden`: it may have proofs for none. One permit must permit all of them. */
export function provingBy(
  principal: Principal,
  permission: Permission,
  name: string,
  requests: readonly SeenRequest[],
): Proving | Unprovable | 'forbidden' {
  const read = requests.map(readProven)
  const proving: Permit[] = []
  let furthest: Unprovable | undefined
  for (const permit of principal.permits) {
    if (!isForProofs(permit, permission, name)) continue
    const found = unprovable(permit, read)
    if (found === undefined) proving.push(permit)
    // The one that gets further explains more.
    else if (furthest === undefined || found.at > furthest.at) furthest = found
  }
  if (proving.length === 0) return furthest ?? 'forbidden'
  return { prover: withPermits(principal, proving, readingBy) }
}

const isForProofs = (
  { permission, requests, integrations }: Permit,
  wanted: Permission,
  name: string,
): boolean =>
  permission === wanted &&
  requests !== undefined &&
  integrations.some((glob) => matchesGlob(glob, name))

function unprovable(
  { requests: patterns = [] }: Permit,
  read: ReadRequests,
): Unprovable | undefined {
  for (const [at, request] of read.entries()) {
    const refusal = typeof request === 'string' ? request : refusalBy(patterns, request)
    if (refusal !== undefined) return { at, refusal }
  }
  return undefined
}

/** The principal while it may have no proofs: it may not read the token. */
export const notProving = (principal: Principal): Principal => withPermits(principal, [], readingBy)

/** The permits of a principal while some of them permit proofs. */
const readingBy = (permits: readonly Permit[], proving: readonly Permit[]): readonly Permit[] => [
  ...permits.filter(({ permission }) => permission !== 'tokens:read'),
  ...proving.map(({ integrations, labels }) => ({
    ...{ permission: 'tokens:read' as const, integrations, labels },
  })),
]
