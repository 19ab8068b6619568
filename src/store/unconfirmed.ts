/** What a request wrote that too few replicas confirmed: it is done like any other change, and said so at its end. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { BrokerError } from '../errors/errors.ts'

export interface RequestWrites {
  /** What is written by this goes on without a confirmation. */
  run<Result>(work: () => Result): Result
  /** Ends the request: the first of its writes that was not confirmed. What it left behind in the background has nobody to tell, so there it is thrown. */
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

/** True: the request that wrote it is told at its end, and goes on. False: nobody would be told, so throw it. */
export function tellAtTheEnd(error: BrokerError): boolean {
  const notes = requests.getStore()
  if (notes === undefined || notes.hasEnded) return false
  notes.first ??= error
  return true
}
