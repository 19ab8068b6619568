import type { Clock } from './clock.ts'
import type { Random } from './random.ts'
import type { Settings } from './settings.ts'

/**
 * A value whose changes reach each node of Salesforce at a time of its own: until all have it, the
 * same question is answered by the old value or the new, as the node has it.
 */
export interface Propagated<T> {
  /** What a node sees. Undefined where not even the first value has arrived. */
  at(node: number): T | undefined
  /** What was set last, wherever it has arrived. */
  latest(): T
  set(value: T): void
}

/** Makes propagated values, and picks the node that answers a request. */
export interface Propagation {
  /** The first value, too, takes its time to spread. */
  begin<T>(first: T): Propagated<T>
  pickNode(): number
}

interface Version<T> {
  readonly value: T
  /** By node. */
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
        // A node that a version never planned for (nodes were added since) has had it all along.
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
