/** Work that is done one after the other; those who ask while it is at it share the next turn, which begins after they asked. */
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
