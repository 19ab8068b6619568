/** The custody of refresh tokens of integrations: begins and ends families, and loses no token. */

import { type Actor, type AuditEntry, NOBODY } from '../audit/event.ts'
import { refreshTokenIdOf } from '../credentials/credential.ts'
import type { Secret } from '../crypto/secret.ts'
import type { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError, isStoreAway } from '../errors/errors.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import { bodyOf, type ConnectionState, type CustodyBody, connectionOf } from './connection.ts'
import type { CustodyLook, CustodyStore, CustodyTarget } from './custody-store.ts'

interface Grantee {
  readonly refreshToken: Secret
  /** The consumer key of the client that got the token. */
  readonly clientId: string
  /** The key that it was requested with. Absent: without. */
  readonly dpopKey?: StoredDpopKey | undefined
}

/** A refresh token whose family ends. */
interface FormerToken {
  readonly integration: string
  readonly token: Secret
  readonly dpopKey?: StoredDpopKey
}

export interface Custody {
  /** Connects: begins a new family with this token, drops the lease of the former family and revokes its token. Durable when it resolves. The caller audits. `replaces`: the family that must be current (null: none; absent: any). `changed`: it is another one. */
  begin(
    target: CustodyTarget,
    given: Grantee & { readonly replaces?: string | null },
  ): Promise<'begun' | 'changed' | 'gone'>
  /** Adopts the refresh token of a credential once. Returns whether it did so now. */
  adopt(target: CustodyTarget, given: Grantee): Promise<boolean>
  /** Whether a family of this integration began with this refresh token. */
  hasSeen(target: Pick<CustodyTarget, 'name' | 'uid'>, refreshTokenId: string): Promise<boolean>
  /** Disconnects: begins a family without a token, then revokes the former token, later if Salesforce is unavailable. `hadToken`: there was a token. `reason`: the code of a failure at Salesforce. `keep`: called with the former token before the family ends, maybe again; then it revokes the token, and nothing is revoked here. */
  end(
    target: CustodyTarget,
    keep?: (loginUrl: string, former: FormerToken) => Promise<void>,
  ): Promise<{ readonly hadToken: boolean; readonly reason?: string }>
  /** The state with the current family, for `begin`. `clientId`: the client that would request a token now. `seed`: the fingerprint of the refresh token in its active credential. */
  state(
    target: CustodyTarget,
    clientId: string | undefined,
    seed: string | undefined,
  ): Promise<ConnectionState & { readonly family: string | null }>
}

const SEEDS_KEPT = 50
/** Retries of begun work if the store is unavailable for a moment: about 5 seconds. */
const PAUSES_MS = [100, 200, 400, 800, 1_000, 1_000, 1_000] as const

export function createCustody(dependencies: {
  readonly store: CustodyStore
  readonly runtime: Pick<Runtime, 'sleep' | 'uniqueId'>
  /** Invalidates the lease and any running mint, because their family ends. */
  readonly dropLease: (target: CustodyTarget) => Promise<void>
  /** Deletes the remembered refusal. */
  readonly forgetRefusal: (target: CustodyTarget) => Promise<void>
  /** Revokes a token at Salesforce, at once or later. Returns the code of a failure. */
  readonly endToken: (loginUrl: string, of: FormerToken) => Promise<string | undefined>
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly log: Pick<Log, 'info' | 'error'>
}): Custody {
  const { store, runtime, dropLease, forgetRefusal, endToken } = dependencies
  const { sleep, uniqueId } = runtime
  const { audit, log } = dependencies

  const seedsOf = ({ name }: Pick<CustodyTarget, 'name'>, { record }: CustodyLook) =>
    record ? bodyOf(name, record).seeds : []

  const retryWhileAway = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    for (const pauseMs of PAUSES_MS) {
      try {
        return await work()
      } catch (error) {
        if (!isStoreAway(error)) throw error
        await sleep(pauseMs)
      }
    }
    return work()
  }

  /** A `begin` without acknowledgement may have succeeded. Then the former family has ended, and the new token is in use and must not be revoked. */
  const surely = async (
    { name }: CustodyTarget,
    family: string,
    begin: () => ReturnType<CustodyStore['begin']>,
  ): ReturnType<CustodyStore['begin']> => {
    try {
      return await begin()
    } catch (error) {
      if (!isStoreAway(error)) throw error
      // Changes nothing, but proves whether the family is there as durably as a write.
      const isThere = await retryWhileAway(() => store.keep(name, { family, g: 0, token: '' }))
      if (isThere) return 'begun'
      throw error
    }
  }

  /** The token of the former family, which is revoked after the new family begins. */
  const former = async (target: CustodyTarget, { record }: CustodyLook) => {
    if (!record || record.token === '' || record.state === 'dead') return undefined
    try {
      return await store.open(target, record)
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'record_corrupt') throw error
      // Otherwise, nobody could connect the integration again.
      const { name: integration } = target
      log.error({ err: error, integration }, 'a former refresh token cannot be read or revoked')
      return undefined
    }
  }

  const replace = async (
    target: CustodyTarget,
    { refreshToken: token, clientId, dpopKey }: Grantee,
    look: CustodyLook,
    seeds: readonly string[],
  ): Promise<'begun' | 'changed' | 'gone'> => {
    const replaced = await former(target, look)
    const body: CustodyBody = { loginUrl: target.loginUrl, clientId, seeds }
    const family = uniqueId()
    const result = await surely(target, family, () =>
      store.begin(target, look.family, family, { token, body, dpopKey }),
    )
    if (result !== 'begun') return result
    const { name: integration } = target
    log.info({ integration }, 'a refresh token is in custody')
    try {
      await retryWhileAway(() => (look.record ? dropLease : forgetRefusal)(target))
    } catch (error) {
      // The family has begun. An error here would make the caller revoke a token that is in use.
      log.error({ err: error, integration }, 'data of a former connection may still exist')
    }
    if (replaced && replaced.token.reveal() !== token.reveal()) {
      // The caller need not wait until Salesforce revokes the former token.
      retryWhileAway(() => endToken(replaced.loginUrl, { integration, ...replaced })).catch(
        (error: unknown) => {
          log.error({ err: error, integration }, 'a former refresh token may still be valid')
        },
      )
    }
    return 'begun'
  }

  const withRetries = <Result>(
    target: CustodyTarget,
    attempt: (look: CustodyLook) => Promise<Result | 'lost'>,
  ): Promise<Result> =>
    untilWritten(`the connection of ${target.name}`, async () => attempt(await store.read(target)))

  return {
    begin: (target, given) =>
      withRetries(target, async (look) => {
        const { replaces } = given
        if (replaces !== undefined && replaces !== look.family) return 'changed'
        const result = await replace(target, given, look, seedsOf(target, look))
        return result === 'changed' ? 'lost' : result
      }),

    adopt: (target, given) =>
      withRetries(target, async (look) => {
        const seed = refreshTokenIdOf(given.refreshToken)
        const seeds = seedsOf(target, look)
        if (seeds.includes(seed)) return false
        const result = await replace(target, given, look, [seed, ...seeds].slice(0, SEEDS_KEPT))
        if (result === 'changed') return 'lost'
        if (result === 'gone') return false
        const { name: integration } = target
        audit.background(NOBODY, { action: 'integration.connected', integration })
        return true
      }),

    async hasSeen(target, refreshTokenId) {
      return seedsOf(target, await store.read(target)).includes(refreshTokenId)
    },

    end: (target, keep) =>
      withRetries(target, async (look) => {
        const { record } = look
        const { name: integration } = target
        if (!record || record.token === '') return { hadToken: false }
        const ended = await former(target, look)
        if (ended) await keep?.(ended.loginUrl, { integration, ...ended })
        const of = { reason: 'disconnected', body: bodyOf(target.name, record) } as const
        const family = uniqueId()
        const result = await surely(target, family, () =>
          store.end(target, record.family, family, of),
        )
        if (result === 'changed') return 'lost'
        await retryWhileAway(() => dropLease(target))
        if (!ended || keep) return { hadToken: true }
        const reason = await retryWhileAway(() =>
          endToken(ended.loginUrl, { integration, ...ended }),
        )
        return { hadToken: true, ...(reason !== undefined && { reason }) }
      }),

    async state(target, clientId, seed) {
      const { record, family } = await store.read(target)
      return { ...connectionOf(target, clientId, seed, record), family }
    },
  }
}
