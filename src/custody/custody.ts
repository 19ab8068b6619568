/** The refresh tokens of integrations, from the connection to its end: begun, ended, and never lost by us. */

import { type Actor, type AuditEntry, NOBODY } from '../audit/event.ts'
import { refreshTokenIdOf } from '../credentials/credential.ts'
import type { Secret } from '../crypto/secret.ts'
import { BrokerError, isStoreAway } from '../errors/errors.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import { bodyOf, type ConnectionState, type CustodyBody, connectionOf } from './connection.ts'
import type { CustodyLook, CustodyStore, CustodyTarget } from './custody-store.ts'

interface Grantee {
  readonly refreshToken: Secret
  /** The consumer key that it was given to. */
  readonly clientId: string
}

export interface Custody {
  /** Connects: a new family with this token; the lease of the former goes, and the former token is revoked. Durable before it resolves; the caller audits. `replaces`: the family that has to be there (null: none); left out, whichever is. `changed`: it is another one. */
  begin(
    target: CustodyTarget,
    given: Grantee & { readonly replaces?: string | null },
  ): Promise<'begun' | 'changed' | 'gone'>
  /** Takes over the refresh token of a credential, unless that was done before. Gives whether it did. */
  adopt(target: CustodyTarget, given: Grantee): Promise<boolean>
  /** Whether a family of this integration began with this refresh token. */
  hasSeen(target: Pick<CustodyTarget, 'name' | 'uid'>, refreshTokenId: string): Promise<boolean>
  /** Disconnects: a new family without a token first, then the token is revoked; later, where Salesforce cannot be reached. `hadToken`: there was something to end; `reason`: the code of what is in the way at Salesforce. */
  end(target: CustodyTarget): Promise<{ readonly hadToken: boolean; readonly reason?: string }>
  /** With the family that is there, for `begin`. `clientId`: with which it would be asked for now. `seed`: the fingerprint of the refresh token in its active credential. */
  state(
    target: CustodyTarget,
    clientId: string | undefined,
    seed: string | undefined,
  ): Promise<ConnectionState & { readonly family: string | null }>
}

const SEEDS_KEPT = 50
/** What was begun is brought to its end although the store is away for a moment: some 5 seconds. */
const PAUSES_MS = [100, 200, 400, 800, 1_000, 1_000, 1_000] as const

export function createCustody(dependencies: {
  readonly store: CustodyStore
  readonly runtime: Pick<Runtime, 'sleep' | 'uniqueId'>
  /** Makes the lease, and any mint under way, worthless: they belong to a family that ends. */
  readonly dropLease: (target: CustodyTarget) => Promise<void>
  /** Clears the cached refusal. */
  readonly forgetRefusal: (target: CustodyTarget) => Promise<void>
  /** Ends a token at Salesforce, now or later. Gives the code of what is in the way. */
  readonly endToken: (
    loginUrl: string,
    of: { readonly integration: string; readonly token: Secret },
  ) => Promise<string | undefined>
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

  /** A beginning that was not acknowledged may have happened: then the former family has ended, and what is given back is in use. */
  const surely = async (
    { name }: CustodyTarget,
    family: string,
    begin: () => ReturnType<CustodyStore['begin']>,
  ): ReturnType<CustodyStore['begin']> => {
    try {
      return await begin()
    } catch (error) {
      if (!isStoreAway(error)) throw error
      // Keeps nothing; says, as durably as it keeps, whether the family is there.
      const isThere = await retryWhileAway(() => store.keep(name, { family, g: 0, token: '' }))
      if (isThere) return 'begun'
      throw error
    }
  }

  /** What of the former family is to be revoked, once it is the former. */
  const former = async (target: CustodyTarget, { record }: CustodyLook) => {
    if (!record || record.token === '' || record.state === 'dead') return undefined
    try {
      return await store.open(target, record)
    } catch (error) {
      if (!(error instanceof BrokerError) || error.code !== 'record_corrupt') throw error
      // Nobody could connect it again otherwise.
      const { name: integration } = target
      log.error({ err: error, integration }, 'a former refresh token cannot be read or revoked')
      return undefined
    }
  }

  const replace = async (
    target: CustodyTarget,
    { refreshToken: token, clientId }: Grantee,
    look: CustodyLook,
    seeds: readonly string[],
  ): Promise<'begun' | 'changed' | 'gone'> => {
    const replaced = await former(target, look)
    const body: CustodyBody = { loginUrl: target.loginUrl, clientId, seeds }
    const family = uniqueId()
    const result = await surely(target, family, () =>
      store.begin(target, look.family, family, { token, body }),
    )
    if (result !== 'begun') return result
    const { name: integration } = target
    log.info({ integration }, 'a refresh token is in custody')
    try {
      await retryWhileAway(() => (look.record ? dropLease : forgetRefusal)(target))
    } catch (error) {
      // It has begun: whoever is told otherwise gives back what is in use.
      log.error({ err: error, integration }, 'data of a former connection may still exist')
    }
    if (replaced && replaced.token.reveal() !== token.reveal()) {
      // Nobody waits for Salesforce to forget what is of no use any more.
      retryWhileAway(() =>
        endToken(replaced.loginUrl, { integration, token: replaced.token }),
      ).catch((error: unknown) => {
        log.error({ err: error, integration }, 'a former refresh token may still be valid')
      })
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

    end: (target) =>
      withRetries(target, async (look) => {
        const { record } = look
        if (!record || record.token === '') return { hadToken: false }
        const ended = await former(target, look)
        const of = { reason: 'disconnected', body: bodyOf(target.name, record) } as const
        const family = uniqueId()
        const result = await surely(target, family, () =>
          store.end(target, record.family, family, of),
        )
        if (result === 'changed') return 'lost'
        await retryWhileAway(() => dropLease(target))
        const { name: integration } = target
        const reason =
          ended &&
          (await retryWhileAway(() =>
            endToken(ended.loginUrl, { integration, token: ended.token }),
          ))
        return { hadToken: true, ...(reason !== undefined && { reason }) }
      }),

    async state(target, clientId, seed) {
      const { record, family } = await store.read(target)
      return { ...connectionOf(target, clientId, seed, record), family }
    },
  }
}
