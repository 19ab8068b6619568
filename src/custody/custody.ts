/** The refresh tokens of integrations, from the connection to its end: begun, ended, and never lost by us. */
import { type Actor, type Happening, NOBODY } from '../audit/event.ts'
import { refreshTokenIdOf } from '../credentials/credential.ts'
import type { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors.ts'
import type { Custodies } from '../store/custody.ts'
import { bodyOf, type Connection, type CustodyBody, connectionOf, SETTLE_MS } from './connection.ts'
import type { CustodyLook, CustodyStore, Target } from './custody-store.ts'

export interface Grantee {
  readonly refreshToken: Secret
  /** The consumer key that it was given to. */
  readonly clientId: string
}

export interface Custody {
  /** Connects: a new family with this token; the lease of the former goes, and the former token is revoked. Durable before it resolves; the caller audits. `replaces`: the family that has to be there (null: none); left out, whichever is. `changed`: it is another one. */
  begin(
    target: Target,
    given: Grantee & { readonly replaces?: string | null },
  ): Promise<'begun' | 'changed' | 'gone'>
  /** Takes over the refresh token of a credential, unless that was done before. Gives whether it did. */
  adopt(target: Target, given: Grantee): Promise<boolean>
  /** Whether a family of this integration began with this refresh token. */
  hasSeen(target: Pick<Target, 'name' | 'uid'>, refreshTokenId: string): Promise<boolean>
  /** Disconnects: a new family without a token first, then the token is revoked; later, where Salesforce cannot be reached. `hadToken`: there was something to end; `reason`: the code of what is in the way at Salesforce. */
  end(target: Target): Promise<{ readonly hadToken: boolean; readonly reason?: string }>
  /** With the family that is there, for `begin`. `clientId`: with which it would be asked for now. `seed`: the fingerprint of the refresh token in its active credential. */
  state(
    target: Target,
    clientId: string | undefined,
    seed: string | undefined,
  ): Promise<Connection & { readonly family: string | null }>
  /** The store went back in time: nothing idle is trusted until Salesforce was asked. Gives how many it concerns. */
  distrust(): Promise<number>
}

export interface CustodyDependencies {
  readonly store: CustodyStore
  readonly custody: Pick<Custodies, 'distrust'>
  readonly uniqueId: () => string
  /** Makes the lease, and any mint under way, worthless: they belong to a family that ends. */
  readonly dropLease: (target: Target) => Promise<void>
  /** What was refused is no answer any more. */
  readonly forgetRefusal: (target: Target) => Promise<void>
  /** Ends a token at Salesforce, now or later. Gives the code of what is in the way. */
  readonly endToken: (
    loginUrl: string,
    of: { readonly integration: string; readonly token: Secret },
  ) => Promise<string | undefined>
  readonly audit: { background(by: Actor, happening: Happening): void }
  readonly log: {
    info(bindings: object, message: string): void
    error(bindings: object, message: string): void
  }
}

/** Beginnings that lose a race look again. */
const ATTEMPTS = 5
const SEEDS_KEPT = 50
/** Of an id that no presentation has. */
export const DISTRUSTED = 'rewound:'

export function createCustody(dependencies: CustodyDependencies): Custody {
  const { store, custody, uniqueId, dropLease, forgetRefusal, endToken } = dependencies
  const { audit, log } = dependencies

  const seedsOf = ({ record }: CustodyLook) => (record ? bodyOf(record).seeds : [])

  /** What of the former family is to be revoked, once it is the former. */
  const former = async (target: Target, { record }: CustodyLook) =>
    record && record.token !== '' && record.state !== 'dead'
      ? store.open(target, record)
      : undefined

  const replace = async (
    target: Target,
    { refreshToken: token, clientId }: Grantee,
    look: CustodyLook,
  ): Promise<'begun' | 'changed' | 'gone'> => {
    const replaced = await former(target, look)
    const seeds = [refreshTokenIdOf(token), ...seedsOf(look)].slice(0, SEEDS_KEPT)
    const body: CustodyBody = { loginUrl: target.loginUrl, clientId, seeds }
    const result = await store.begin(target, look.family, uniqueId(), { token, body })
    if (result !== 'begun') return result
    const { name: integration } = target
    log.info({ integration }, 'a refresh token is in custody')
    if (!look.record) {
      await forgetRefusal(target)
      return 'begun'
    }
    await dropLease(target)
    if (replaced && replaced.token.reveal() !== token.reveal()) {
      // Nobody waits for Salesforce to forget what is of no use any more.
      endToken(replaced.loginUrl, { integration, token: replaced.token }).catch(
        (error: unknown) => {
          log.error({ err: error, integration }, 'a former refresh token may still be alive')
        },
      )
    }
    return 'begun'
  }

  const withRetries = async <Result>(
    target: Target,
    attempt: (look: CustodyLook) => Promise<Result | undefined>,
  ): Promise<Result> => {
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      const result = await attempt(await store.read(target))
      if (result !== undefined) return result
    }
    throw new BrokerError('conflict', 'The integration was connected by others meanwhile')
  }

  return {
    begin: (target, given) =>
      withRetries(target, async (look) => {
        const { replaces } = given
        if (replaces !== undefined && replaces !== look.family) return 'changed'
        const result = await replace(target, given, look)
        return result === 'changed' ? undefined : result
      }),

    adopt: (target, given) =>
      withRetries(target, async (look) => {
        if (seedsOf(look).includes(refreshTokenIdOf(given.refreshToken))) return false
        const result = await replace(target, given, look)
        if (result === 'changed') return undefined
        if (result === 'gone') return false
        const { name: integration } = target
        audit.background(NOBODY, { action: 'integration.connected', integration })
        return true
      }),

    async hasSeen(target, refreshTokenId) {
      return seedsOf(await store.read(target)).includes(refreshTokenId)
    },

    end: (target) =>
      withRetries(target, async (look) => {
        const { record } = look
        if (!record || record.token === '') return { hadToken: false }
        const ended = await former(target, look)
        const of = { reason: 'disconnected', body: bodyOf(record) } as const
        const result = await store.end(target, record.family, uniqueId(), of)
        if (result === 'changed') return undefined
        await dropLease(target)
        const { name: integration } = target
        const reason =
          ended && (await endToken(ended.loginUrl, { integration, token: ended.token }))
        return { hadToken: true, ...(reason !== undefined && { reason }) }
      }),

    async state(target, clientId, seed) {
      const { record, family } = await store.read(target)
      return { ...connectionOf(target, clientId, seed, record), family }
    },

    async distrust() {
      const count = await custody.distrust(`${DISTRUSTED}${uniqueId()}`, SETTLE_MS)
      if (count > 0) {
        log.error({ count }, 'refresh tokens are not used until Salesforce said that they live')
      }
      return count
    },
  }
}
