/** Holds back tokens of another org or user until an operator accepts them. */

import { isDeepStrictEqual } from 'node:util'
import { type AuditEntry, NOBODY } from '../audit/event.ts'
import type { AuditLog } from '../audit/log.ts'
import { isBound, tokenNotBound } from '../dpop/binding.ts'
import { isStoreTrouble } from '../errors/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import { oneCopyOf, withSharedTexts } from '../runtime/one-copy.ts'
import type { Log } from '../runtime/runtime.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import type { DocumentWrite } from '../store/records.ts'
import {
  type Identity,
  identityChanged,
  identityOf,
  type Judgement,
  judgeIdentity,
  type PinnedIdentity,
  pinAfter,
  type TokenIdentity,
  wantedIdentity,
} from './identity.ts'
import type { PinStore, StoredPin } from './pin-store.ts'

/** A pin that the save of the lease writes. */
export interface UnsavedPin {
  readonly document: DocumentWrite
  /** Remembers and reports it. Called when it is written, or while the store is unavailable. */
  written(): void
}

export type IdentityGuard = ReturnType<typeof createIdentityGuard>

/** Limit of remembered pins. Beyond it they are discarded and read from the store again. */
const REMEMBERED = 100_000

export function createIdentityGuard(dependencies: {
  readonly pins: PinStore
  readonly audit: Pick<AuditLog, 'background'>
  readonly now: () => number
  readonly log: Pick<Log, 'warn'>
}) {
  const { pins, audit, now, log } = dependencies
  /** By uid, for use while the store is unavailable. */
  const lastSeen = new Map<string, StoredPin>()

  const remember = (uid: string, stored: StoredPin): StoredPin => {
    if (lastSeen.size > REMEMBERED) lastSeen.clear()
    if (stored.pin) withSharedTexts(stored.pin)
    lastSeen.set(oneCopyOf(uid), stored)
    return stored
  }

  const tell = (
    { name, identity: rule }: Integration,
    judgement: Judgement,
    known: PinnedIdentity | undefined,
    next: PinnedIdentity,
  ) => {
    const { seen, identity } = next
    const say = (action: AuditEntry['action'], reason?: string) =>
      audit.background(NOBODY, {
        action,
        integration: name,
        ...(reason !== undefined && { detail: { reason } }),
      })
    if (seen && seen !== known?.seen) {
      const expected = wantedIdentity(rule, known?.identity)
      log.warn({ integration: name, expected, seen }, 'a token of another org or user is held back')
      say('identity.changed')
    }
    if (judgement.hasMoved) {
      const hosts = { from: known?.identity.instanceUrl, to: identity.instanceUrl }
      log.warn({ integration: name, ...hosts }, 'the host of the org changed')
      say('instance.changed')
    }
    if (judgement.hasOtherScopes) {
      log.warn(
        { integration: name },
        'the scopes of the token changed, or expected ones are missing',
      )
      say('scope.changed', 'scope_changed')
    }
  }

  /** False: another replica was first. While the store is unavailable, only this replica remembers the pin. */
  const write = async (name: string, pin: PinnedIdentity, stored: StoredPin): Promise<boolean> => {
    try {
      return await pins.write(name, pin, stored)
    } catch (error) {
      if (!isStoreTrouble(error)) throw error
      return true
    }
  }

  return {
    /**
     * The pin in the store or, while the store is unavailable, the pin that this replica saw last.
     * Throws `store_unavailable` if it saw none.
     */
    async known(integration: Pick<Integration, 'name' | 'uid'>): Promise<StoredPin> {
      try {
        return remember(integration.uid, await pins.read(integration))
      } catch (error) {
        const last = lastSeen.get(integration.uid)
        if (last && isStoreTrouble(error)) return last
        throw error
      }
    },

    /** Whose tokens this replica saw last, as far as they state it. */
    lastSeen: ({ uid }: Pick<Integration, 'uid'>): Identity | undefined =>
      lastSeen.get(uid)?.pin?.identity,

    /** Pins the first identity. Throws `identity_changed` for another one, and `token_not_bound`. Must complete before the token is served or saved. `saveLater` gets the pin of an accepted token, which is then not written here: the save of the lease must write it. */
    async check(
      integration: Integration,
      lease: TokenIdentity,
      known: StoredPin,
      saveLater?: (pin: UnsavedPin) => void,
    ): Promise<void> {
      const { name, uid, identity: rule } = integration
      if (rule.expect?.dpop === true && !isBound(lease)) throw tokenNotBound()
      let current: StoredPin | undefined = known
      await untilWritten(`the identity of ${name}`, async () => {
        const stored = current ?? (await pins.read(integration))
        current = undefined
        const judgement = judgeIdentity(rule, stored.pin, lease)
        const next = pinAfter(judgement, stored.pin, lease, integration, now())
        const isUnchanged = isDeepStrictEqual(stored.pin, next)
        const written = () => {
          tell(integration, judgement, stored.pin, next)
          remember(uid, { version: stored.version, pin: next })
        }
        if (!isUnchanged && saveLater && judgement.changed.length === 0) {
          saveLater({ document: pins.within(name, next, stored), written })
          return undefined
        }
        const isPinned = isUnchanged || (await write(name, next, stored))
        if (!isPinned) return 'lost'
        written()
        if (judgement.changed.length === 0) return undefined
        throw identityChanged(judgement.changed, rule, stored.pin?.identity, identityOf(lease))
      })
    },
  }
}
