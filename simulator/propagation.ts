import type { Clock } from './clock.ts'
import type { Random } from './random.ts'
import type { Settings } from './settings.ts'

/** A value whose changes reach each node of Salesforce at a different time. Until all nodes have it, an answer depends on the node. */
export interface Propagated<T> {
  /** The value on a node. Undefined: the first value has not arrived. */
  at(node: number): T | undefined
  /** The newest value, whether or not it has arrived. */
  latest(): T
  set(value: T): void
}

/** Creates propagated values, and selects the node that answers a request. */
export interface Propagation {
  /** The first value also needs time to propagate. */
  begin<T>(first: T): Propagated<T>
  pickNode(): number
}

interface Version<T> {
  readonly value: T
  /** Times of arrival, by node. */
  readonly appliesAt: readonly number[]
}

interface PropagationDependencies {
  readonly clock: Clock
  readonly random: Random
  readonly settings: () => Settings
}

export function createPropagation({
  clock,
  random,
  settings,
}: PropagationDependencies): Propagation {
  function spread<T>(value: T): Version<T> {
    const { nodes, minMs, maxMs } = settings().propagation
    const appliesAt = Array.from(
      { length: nodes },
      () => clock.now() + minMs + random() * (maxMs - minMs),
    )
    return { value, appliesAt }
  }

  return {
    pickNode: () => Math.floor(random() * settings().propagation.nodes),
    begin<T>(first: T): Propagated<T> {
      let newestFirst: readonly Version<T>[] = [spread(first)]
      let latest = first
      return {
        // A node that was added later has had the version from the start.
        at: (node) =>
          newestFirst.find(({ appliesAt }) => (appliesAt[node] ?? 0) <= clock.now())?.value,
        latest: () => latest,
        set(value) {
          latest = value
          const settled = newestFirst.findIndex(({ appliesAt }) =>
            appliesAt.every((at) => at <= clock.now()),
          )
          const reachable = settled < 0 ? newestFirst : newestFirst.slice(0, settled + 1)
          newestFirst = [spread(value), ...reachable]
        },
      }
    },
  }
}
