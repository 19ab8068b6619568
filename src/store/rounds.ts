/** Rounds through the store in the background, one after the other until they are stopped. */
export interface Rounds {
  /** The first one begins at once. */
  start(): void
  /** Resolves when the one under way is over. */
  stop(): Promise<void>
}

export interface RoundsDependencies {
  /** One round; it ends early when the signal does. What it throws is no end of the rounds. */
  readonly round: (stopped: AbortSignal) => Promise<void>
  readonly onTrouble: (error: unknown) => void
  /** Between two rounds. */
  readonly intervalMs: number
  /** After one that failed. */
  readonly againMs: number
  /** Ends early, without a failure, when the signal does. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export function createRounds(dependencies: RoundsDependencies): Rounds {
  const { round, onTrouble, intervalMs, againMs, sleep } = dependencies
  const stopped = new AbortController()
  let running: Promise<void> | undefined

  const run = async () => {
    while (!stopped.signal.aborted) {
      let pauseMs = intervalMs
      try {
        await round(stopped.signal)
      } catch (error) {
        onTrouble(error)
        pauseMs = againMs
      }
      await sleep(pauseMs, stopped.signal)
    }
  }

  return {
    start() {
      running ??= run()
    },
    async stop() {
      stopped.abort()
      await running
    },
  }
}
