/** A miss: one mint for the whole fleet, whoever asks and however many. */
import type { Actor } from '../../audit/event.ts'
import { isUnsettled } from '../../custody/connection.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import type { IdentityGuard } from '../../identity/identity-guard.ts'
import type { TokenSubject } from '../../identity/subject.ts'
import { type Integration, presentsRefreshToken } from '../../integrations/integration.ts'
import type { ChangeSubscription } from '../../store/change-subscription.ts'
import type { Outcomes } from '../../store/store.ts'
import { createRequestWrites } from '../../store/unconfirmed.ts'
import type { DegradedMode } from '../serve/degraded-mode.ts'
import type { Lease, MintResult } from '../serve/lease.ts'
import type { Entry, LeaseCache } from '../serve/lease-cache.ts'
import type { LeaseStore } from '../serve/lease-store.ts'
import {
  answerIn,
  holdsRejected,
  keyOf,
  NEED,
  stillLiveAgain,
  type TokenRequirement,
  tokenStillLive,
} from '../serve/token-requirement.ts'
import type { Attempts } from './attempts.ts'
import type { LoginBudget } from './login-budget.ts'
import type { Minter, MintRecords } from './mint.ts'
import { inItsTime, remember } from './refusal-memory.ts'
import type { SingleFlight } from './single-flight.ts'

export interface MintCoordinator {
  /** A lease that answers the question. Throws what Salesforce said, `login_budget_exhausted`, `token_still_live`, `store_unavailable`, `conflict`, `salesforce_timeout`. */
  run(
    entry: Entry,
    question: TokenRequirement,
    by: Actor,
  ): { readonly result: Promise<MintResult>; readonly joined: boolean }
}

export interface MintCoordinatorDependencies {
  readonly look: (name: string) => Promise<Entry | undefined>
  readonly cache: Pick<LeaseCache, 'saved'>
  readonly outcomes: Pick<Outcomes, 'save' | 'revoke'>
  readonly leases: Pick<LeaseStore, 'save'>
  readonly flights: SingleFlight
  readonly minter: Minter
  readonly attempts: Attempts
  readonly identity: IdentityGuard
  /** What this replica minted for itself while the store was down. */
  readonly storeless: Pick<DegradedMode, 'lease' | 'keep' | 'forget'>
  readonly budget: LoginBudget
  readonly subjectOf: (
    integration: Pick<Integration, 'name' | 'uid'>,
  ) => Promise<TokenSubject | undefined>
  readonly hearing: Pick<ChangeSubscription, 'onceChanged'>
  readonly now: () => number
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  readonly random: () => number
  /** Ends a token at Salesforce that has a tombstone here, where it was issued. Must not throw for what Salesforce does not do now. */
  readonly endDead: (lease: Lease, by: Actor) => Promise<void>
  /** Makes a token that came too late the lease, unless that is it already. Never throws. */
  readonly adopt: (lease: Lease, by: Actor) => Promise<void>
  /** A rejected token was replaced, and these integrations held it. Must not throw. */
  readonly onBuried: (tokenId: string, names: readonly string[], by: Actor) => void
  /** Must not throw. `subject`: what was known of it before, where that was read. */
  readonly onMinted: (lease: Lease, by: Actor, subject?: Promise<TokenSubject | undefined>) => void
  readonly onRefused: (name: string, error: unknown, by: Actor) => void
  /** What a mint wrote is there, and too few replicas confirmed it: no reason to keep its token back. Must not throw. */
  readonly onUnconfirmed: (name: string, error: BrokerError) => void
}

/** The longest that a mint, with its retries and its waiting for others, may take. */
export const DEADLINE_MS = 10_000
/** So that those who wait hear why there is nothing, and not just that. */
const TELLING_MS = 300
/** Those who wait for another replica's mint look by themselves this often, should an announcement be lost. */
const POLL_MS = 250
/** How often a mint is made anew whose result the store refused, because the integration changed under it or the token was revoked. */
const SAVE_ATTEMPTS = 3
/** A token that Salesforce answered with 401 is kept out for this long. */
const TOMBSTONE_MS = 86_400_000

/** What a mint under the lock begins with. */
interface Ready {
  readonly entry: Entry
  /** Read together with the entry; a mint that is tried again reads them anew. */
  readonly records?: Promise<MintRecords>
  readonly subject?: Promise<TokenSubject | undefined>
}

/** A question, and whether a token that it rejects is known to be the integration's. */
interface Asked {
  readonly asked: TokenRequirement
  readonly isHeld: boolean
}

export function createMintCoordinator(dependencies: MintCoordinatorDependencies): MintCoordinator {
  const { look, cache, outcomes, leases, flights, minter, attempts, identity, storeless } =
    dependencies
  const { budget, subjectOf, hearing, now, monotonic, random, endDead, adopt } = dependencies
  const { onBuried, onMinted, onRefused, onUnconfirmed } = dependencies

  const lookAgain = async (name: string): Promise<Entry> => {
    const entry = await look(name)
    if (entry) return entry
    throw new BrokerError('integration_not_found', 'There is no integration of this name')
  }

  /** One round trip for all of it. What is not waited for here is where it is needed, and its failure is thrown there. */
  const makeReady = async (integration: Integration): Promise<Ready> => {
    const looking = lookAgain(integration.name)
    const records = minter.read(integration)
    const subject = subjectOf(integration)
    for (const asked of [records, subject]) asked.catch(() => undefined)
    const entry = await looking
    return entry.integration.uid === integration.uid ? { entry, records, subject } : { entry }
  }

  const mint = async (ready: Ready, question: TokenRequirement, deadlineAt: number, by: Actor) => {
    const { entry } = ready
    const { integration } = entry
    const asked = ready.subject ?? subjectOf(integration)
    asked.catch(() => undefined)
    const share = question.kind === 'rejected' ? 'rejected' : undefined
    const charge = async () => budget.charge(integration, await asked, share)
    const hasWorked = async () => (await asked) !== undefined && entry.refusal === undefined
    let { records } = ready
    const attempt = (signal?: AbortSignal) => {
      const first = records
      records = undefined
      const options = { charge, deadlineAt, hasWorked, ...(signal && { signal }) }
      return minter.mint(integration.name, options, first)
    }
    try {
      return await attempts.run(
        new URL(integration.loginUrl).host,
        deadlineAt,
        attempt,
        // A login was spent on what comes late: it serves the next who asks.
        { isSingle: presentsRefreshToken(integration), onLate: (lease) => void adopt(lease, by) },
      )
    } catch (thrown) {
      const error = inItsTime(thrown, integration.updatedAt, now())
      // Nobody refused anything.
      if (isUnsettled(error) || isStoreTrouble(error)) throw error
      // Of a lost connection there is one event, which says why.
      if (!isNotConnected(error)) onRefused(integration.name, error, by)
      await saveRefusal(entry, error).catch(unlessUnavailable)
      throw error
    }
  }

  /** Refused by the store: the integration changed meanwhile, and the refusal is nobody's any more. */
  const saveRefusal = async (entry: Entry, error: unknown): Promise<void> => {
    const { integration, orev, refusal: former } = entry
    const refusal = remember(error, integration.version, former, now())
    if (!refusal) return
    await outcomes.save(integration.name, { uid: integration.uid, orev }, { refusal })
  }

  const saveStillLive = async (entry: Entry, tokenId: string): Promise<never> => {
    const { integration, orev, stillLive: former } = entry
    const { restMs, record } = stillLiveAgain(former, tokenId, now())
    await outcomes.save(integration.name, { uid: integration.uid, orev }, { stillLive: record })
    throw tokenStillLive(restMs)
  }

  /** What this replica minted for itself was judged by what it remembered; now the store knows better. */
  const ownLease = async (entry: Entry): Promise<Lease | undefined> => {
    const { integration } = entry
    const lease = storeless.lease(entry)
    if (!lease) return undefined
    try {
      await identity.check(integration, lease, await identity.known(integration))
      return lease
    } catch (error) {
      storeless.forget(integration.name)
      throw error
    }
  }

  /** `first`: as it was read under the lock. `isHeld`: the rejected token was this integration's. */
  const mintAndSave = async (
    first: Ready,
    { asked, isHeld }: Asked,
    deadlineAt: number,
    by: Actor,
  ): Promise<MintResult> => {
    const { name } = first.entry.integration
    const isOther = asked.kind === 'rejected' && !isHeld && !holdsRejected(first.entry, asked)
    // Nobody's word on a token that it never had may touch those who have it.
    const question = isOther ? NEED : asked
    for (let tries = 0; tries < SAVE_ATTEMPTS; tries += 1) {
      const ready = tries === 0 ? first : { entry: await lookAgain(name) }
      const { entry } = ready
      const answer = answerIn(entry, question, now())
      if (answer) return found(answer)
      const own = question.kind === 'need' ? await ownLease(entry) : undefined
      const lease = own ?? (await mint(ready, question, deadlineAt, by))
      if (question.kind === 'rejected' && lease.tokenId === question.tokenId) {
        return saveStillLive(entry, lease.tokenId)
      }
      // A caller is waiting for it, so it is in use; one that was refreshed ahead is marked by its first reader.
      const isRead = question.kind !== 'replace' || entry.integration.keepWarm
      const saved = await leases
        .save(lease, entry, isRead ? lease.refreshAt : null)
        .catch(unlessUnavailable)
      if (!saved) {
        storeless.keep(lease)
        if (!own) onMinted(lease, by, ready.subject)
        return { lease, isFresh: own === undefined, isSaved: false }
      }
      storeless.forget(name)
      if (saved.saved) {
        if (!own) onMinted(lease, by, ready.subject)
        if (question.kind === 'rejected') await bury(name, question.tokenId, by)
        if (!cache.saved(entry, lease, saved)) await look(name)
        return { lease, isFresh: own === undefined, isSaved: true }
      }
      if (saved.reason === 'dead') await endDead(lease, by)
    }
    throw new BrokerError(
      'conflict',
      'The integration was changed three times while a token was minted',
    )
  }

  /** Another token came, so the rejected one is dead for all who hold it. */
  const bury = async (name: string, tokenId: string, by: Actor): Promise<void> => {
    const others = await outcomes.revoke(tokenId, now() + TOMBSTONE_MS)
    onBuried(tokenId, [...new Set([name, ...others])], by)
  }

  /** Wakes at the next change of the integration, or after the poll interval. */
  const changed = (name: string): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        stop()
        resolve()
      }
      const timer = setTimeout(done, POLL_MS * (0.5 + random()))
      const stop = hearing.onceChanged(name, done)
    })

  const fly = async (integration: Integration, question: Asked, by: Actor): Promise<MintResult> => {
    const { name } = integration
    const deadlineAt = monotonic() + DEADLINE_MS - TELLING_MS
    while (monotonic() < deadlineAt) {
      const held = await flights.readUnderLock(
        name,
        () => makeReady(integration),
        (ready) => mintAndSave(ready, question, deadlineAt, by),
      )
      if (held) return held.result
      await changed(name)
      const answer = answerIn(await lookAgain(name), question.asked, now())
      if (answer) return found(answer)
    }
    throw tooLate()
  }

  return {
    run: (entry, question, by) =>
      flights.join(keyOf(question, entry.integration), async () => {
        const asked = { asked: question, isHeld: holdsRejected(entry, question) }
        const writes = createRequestWrites()
        try {
          return await writes.run(() => fly(entry.integration, asked, by))
        } finally {
          const unconfirmed = writes.end()
          if (unconfirmed) onUnconfirmed(entry.integration.name, unconfirmed)
        }
      }),
  }
}

const found = (lease: Lease): MintResult => ({ lease, isFresh: false, isSaved: true })

/** Of that there is an event of its own. */
export const isNotConnected = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'integration_not_connected'

/** What Salesforce said when the store was gone is too good to be thrown away. */
function unlessUnavailable(error: unknown): undefined {
  if (isStoreTrouble(error)) return undefined
  throw error
}

export const tooLate = (): BrokerError =>
  new BrokerError('salesforce_timeout', 'No token came within 10 seconds', { retryAfterMs: 1_000 })
