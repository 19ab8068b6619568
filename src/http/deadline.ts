/** Runs work that is told to end when its time is over. Unlike `AbortSignal.timeout` this keeps nothing of it in memory once it is done. */
export async function within<Result>(
  ms: number,
  work: (deadline: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), ms)
  try {
    return await work(deadline.signal)
  } finally {
    clearTimeout(timer)
  }
}
