/** How far each freeze was carried out, with what waits in the queue of revocations. */
import type { Documents } from '../store/store.ts'
import { type Freeze, newProgress, PROGRESS, type Progress } from './freeze.ts'
import type { FrozenTokens, WaitingToken } from './frozen-tokens.ts'

/** Tokens of a freeze. */
interface TokenCounts {
  /** Salesforce has ended them. */
  readonly done: number
  /** They wait for Salesforce. */
  readonly left: number
  /** Salesforce was asked, and did not end them yet; given up after seven days. */
  readonly failed: number
}

export interface FreezeReport {
  readonly freeze: Freeze
  readonly progress: Progress
  readonly tokens: TokenCounts
  /** The newest failures are not sorted first; at most {@link FAILURES_SHOWN}. */
  readonly failures: readonly WaitingToken[]
  readonly state: 'revoking' | 'done' | 'lifted'
}

/** Most failures in an answer. */
export const FAILURES_SHOWN = 100

interface Waiting {
  left: number
  failed: number
  readonly failures: WaitingToken[]
}

/** The queue, by the freeze that found each token. */
async function waitingByFreeze(
  tokens: Pick<FrozenTokens, 'waiting'>,
): Promise<ReadonlyMap<string, Waiting>> {
  const found = new Map<string, Waiting>()
  for await (const token of tokens.waiting()) {
    const of = found.get(token.freeze) ?? { left: 0, failed: 0, failures: [] }
    found.set(token.freeze, of)
    if (token.reason === null) of.left += 1
    else {
      of.failed += 1
      if (of.failures.length < FAILURES_SHOWN) of.failures.push(token)
    }
  }
  return found
}

/** Reports of these freezes, in their order. */
export async function reportsOf(
  entries: readonly Pick<FreezeReport, 'freeze' | 'progress'>[],
  tokens: Pick<FrozenTokens, 'waiting'>,
): Promise<readonly FreezeReport[]> {
  const waiting = await waitingByFreeze(tokens)
  return entries.map(({ freeze, progress }) => {
    const { left, failed, failures } = waiting.get(freeze.id) ?? NOTHING
    const { found, pending, gaveUp } = progress
    const done = Math.max(0, found + pending.length - left - failed - gaveUp)
    const isOver = progress.sweptAt !== null && left + failed === 0
    return {
      ...{ freeze, progress, failures },
      tokens: { done, left, failed: failed + gaveUp },
      state: progress.lifted ? 'lifted' : isOver ? 'done' : 'revoking',
    }
  })
}

const NOTHING: Waiting = { left: 0, failed: 0, failures: [] }

/** Of a freeze in force. Nothing was done yet where it has none. */
export async function progressOf(documents: Documents, freeze: Freeze): Promise<Progress> {
  const stored = await PROGRESS.read(documents, freeze.id)
  return stored ? { ...stored.body, lifted: null } : newProgress(freeze)
}

/** Salesforce did not end a token within seven days. */
export async function countGivenUp(documents: Documents, id: string): Promise<void> {
  await PROGRESS.update(
    documents,
    id,
    (stored) => stored && { ...stored.body, gaveUp: stored.body.gaveUp + 1 },
  )
}
