/** Time that goes on only when the test says so, with everything that comes of it done before it goes on. */
import { mock } from 'node:test'

export interface FakeTime {
  now(): number
  /** Milliseconds since the start. */
  monotonic(): number
  advance(ms: number): Promise<void>
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Lets time pass until the promise settles; throws after so many milliseconds of this time. */
  until<Value>(promise: Promise<Value>, deadlineMs: number): Promise<Value>
  stop(): void
}

const START = Date.UTC(2026, 0, 1)
/** Timers within one step fire in their order, but without what promises do in between. */
const STEP_MS = 20

const immediately = setImmediate
/** Two turns: what the first one resolves may lead to the second. */
const settle = async () => {
  for (let turn = 0; turn < 2; turn += 1) {
    await new Promise((resolve) => immediately(resolve))
  }
}

export function startFakeTime(): FakeTime {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: START })

  const advance = async (ms: number) => {
    await settle()
    for (let left = ms; left > 0; left -= STEP_MS) {
      mock.timers.tick(Math.min(STEP_MS, left))
      await settle()
    }
  }

  return {
    now: Date.now,
    monotonic: () => Date.now() - START,
    advance,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms)
        signal?.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        })
      }),
    async until(promise, deadlineMs) {
      let isSettled = false
      promise.then(
        () => {
          isSettled = true
        },
        () => {
          isSettled = true
        },
      )
      await settle()
      for (let passed = 0; !isSettled; passed += STEP_MS) {
        if (passed > deadlineMs) throw new Error(`Nothing came within ${deadlineMs} ms`)
        await advance(STEP_MS)
      }
      return promise
    },
    stop: () => mock.timers.reset(),
  }
}
