/** Collects the writes of a request that too few replicas confirmed. They are reported at the end of the request. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { BrokerError } from '../../errors/errors.ts'

export interface RequestWrites {
  /** Runs work whose unconfirmed writes do not fail. */
  run<Result>(work: () => Result): Result
  /** Ends the request and returns its first unconfirmed write. Later unconfirmed writes of background work throw. */
  end(): BrokerError | undefined
}

interface Notes {
  first: BrokerError | undefined
  hasEnded: boolean
}

const requests = new AsyncLocalStorage<Notes>()

export function createRequestWrites(): RequestWrites {
  const notes: Notes = { first: undefined, hasEnded: false }
  return {
    run: (work) => requests.run(notes, work),
    end() {
      notes.hasEnded = true
      return notes.first
    },
  }
}

/** True: the request will report it. False: no request is active, so the caller must throw. */
export function tellAtTheEnd(error: BrokerError): boolean {
  const notes = requests.getStore()
  if (notes === undefined || notes.hasEnded) return false
  notes.first ??= error
  return true
}

/** For a write that adds to what is stored, and is tried again after an error. One that too few replicas confirm is in effect: it does not fail, or it would be added twice. */
export async function countedOnce<Result>(write: () => Promise<Result>): Promise<Result> {
  const writes = createRequestWrites()
  try {
    return await writes.run(write)
  } finally {
    writes.end()
  }
}
