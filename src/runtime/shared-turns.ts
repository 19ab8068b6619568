/** Runs work one turn after another. Calls during a turn share the next turn, so that it begins after they asked. */
export function createSharedTurns<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let active: Promise<unknown> = Promise.resolve()
  let next: Promise<Result> | undefined
  return () => {
    const begin = () => {
      next = undefined
      const begun = work()
      active = begun
      return begun
    }
    next ??= active.then(begin, begin)
    return next
  }
}
