/** Ctrl-C during work that goes on at the broker. */
import { EXITS } from './exits.ts'

/** Runs `work` until it ends, Ctrl-C is pressed or nobody reads stdout any more. Then `onInterrupt` says what goes on, and the exit code is 130. A second Ctrl-C ends the process. */
export async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<number>,
  onInterrupt: () => void = () => undefined,
): Promise<number> {
  const controller = new AbortController()
  const interrupt = () => controller.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  process.stdout.once('error', interrupt)
  try {
    return await work(controller.signal)
  } catch (error) {
    if (!controller.signal.aborted) throw error
    onInterrupt()
    return EXITS.interrupted
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.stdout.removeListener('error', interrupt)
  }
}
