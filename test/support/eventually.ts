/** Waits for a condition, with a deadline, and not for a time. */
import { setTimeout as sleep } from 'node:timers/promises'

const DEADLINE_MS = 30_000
const INTERVAL_MS = 10

/** Gives the first truthy value of `look`. An error of `look` ends the wait. */
export async function eventually<Value>(
  look: () => Value | Promise<Value>,
  deadlineMs: number = DEADLINE_MS,
): Promise<NonNullable<Value>> {
  const end = Date.now() + deadlineMs
  for (;;) {
    const value = await look()
    if (value) return value
    if (Date.now() > end) throw new Error(`the condition did not hold within ${deadlineMs} ms`)
    await sleep(INTERVAL_MS)
  }
}
