/** The freezes in force in the memory of this replica. A hit asks nothing of the store. */
import { BrokerError } from '../errors/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { DocumentGuard } from '../store/records.ts'
import { createReplicaCache, type ReplicaMemory } from '../store/replica-cache.ts'
import type { Change, Documents } from '../store/store.ts'
import { type Freeze, REGISTER, REGISTER_ID } from './freeze.ts'
import { type Selectable, type Selection, selectionOf } from './selection.ts'

export type FreezeGate = ReturnType<typeof createFreezeGate>

interface FreezeGateDependencies {
  readonly documents: Documents
  readonly memory: ReplicaMemory
  /** The org of the last token of an integration. */
  readonly orgOf: (integration: Pick<Integration, 'name' | 'uid'>) => Promise<string | undefined>
}

/** A token, or nothing that is known of one. */
interface OfOrg {
  readonly orgId?: string
}

interface Register extends Selection {
  /** Version of the document. `absent`: nothing was ever frozen. */
  readonly version: number | 'absent'
  readonly freezes: readonly Freeze[]
}

/** Longest wait for a store that answers, in milliseconds. */
const WAIT_MS = 400

const registerOf = (version: Register['version'], freezes: readonly Freeze[]): Register => ({
  ...{ version, freezes },
  ...selectionOf(freezes),
})

export function createFreezeGate({ documents, memory, orgOf }: FreezeGateDependencies) {
  const cache = createReplicaCache<Register>({ ...memory, waitMs: WAIT_MS })
  /** Counts changes of the register. What was read before one may lack it. */
  let generation = 0
  let reading: Promise<Register> | undefined

  const read = async (): Promise<Register> => {
    const ticket = cache.begin()
    const begun = generation
    const stored = await REGISTER.read(documents, REGISTER_ID)
    const register = registerOf(stored?.version ?? 'absent', stored?.body.freezes ?? [])
    if (cache.isUnbroken(ticket) && begun === generation) cache.keep(REGISTER_ID, register, ticket)
    return register
  }

  /** One read for all who wait. One that began before a change is joined by nobody. */
  const sharedRead = (): Promise<Register> => {
    if (reading) return reading
    const own = read().finally(() => {
      if (reading === own) reading = undefined
    })
    reading = own
    return own
  }

  const refresh = (): Promise<Register> => {
    generation += 1
    cache.supersede(REGISTER_ID)
    reading = undefined
    const begun = sharedRead()
    // Who needs it meanwhile reads it again, and gets the error.
    begun.catch(() => undefined)
    return begun
  }

  /** The freezes in force, from memory if it is current. Without the store, the last ones that were read; none of them: `store_unavailable`. */
  const current = async (): Promise<Register> => {
    const trusted = cache.trusted(REGISTER_ID)
    if (trusted) return trusted
    const shared = sharedRead()
    const answer = await cache.inTime(shared, cache.known(REGISTER_ID) === undefined)
    if (answer) return answer.value
    // A change was heard: what it says must be read before anything is handed out.
    const known = cache.current(REGISTER_ID) && cache.servable(REGISTER_ID)
    return known ?? shared
  }

  const known = (): Register => {
    const register = cache.known(REGISTER_ID)
    if (register) return register
    throw new BrokerError('store_unavailable', 'Whether something is frozen was not read yet', {
      retryAfterMs: 1_000,
    })
  }

  const checkIn = (
    register: Register,
    integration: Selectable,
    orgIds: readonly string[],
  ): void => {
    if (register.freezes.length === 0) return
    const freeze = register.find(integration, orgIds)
    if (freeze) throw frozen(integration.name, freeze)
  }

  const orgsOf = async (
    { usesOrgs }: Selection,
    integration: Integration,
    { orgId }: OfOrg = {},
  ): Promise<readonly string[]> => {
    if (!usesOrgs) return []
    const former = await orgOf(integration)
    return [former, orgId].filter((id) => id !== undefined)
  }

  return {
    /** Whether `check` answers by what the store has. */
    isCurrent: (): boolean => cache.trusted(REGISTER_ID) !== undefined,
    /** Resolves when `check` answers by what the store has, or by the last word from it while it does not answer. Throws `store_unavailable`, `record_corrupt`. */
    async ready(): Promise<void> {
      await current()
    },
    /** Throws `integration_frozen`, by memory. `of`: its lease. */
    check(integration: Selectable, of?: OfOrg): void {
      const register = known()
      if (register.freezes.length === 0) return
      checkIn(register, integration, of?.orgId === undefined ? [] : [of.orgId])
    },
    /** The same without an error. True while nothing was read. */
    isFrozen(integration: Selectable, { orgId }: OfOrg = {}): boolean {
      const register = cache.known(REGISTER_ID)
      if (!register) return true
      return register.find(integration, orgId === undefined ? [] : [orgId]) !== undefined
    },
    /** The same with the org of its last token, and after a look at the store where memory is not current. */
    async require(integration: Integration): Promise<void> {
      const register = await current()
      checkIn(register, integration, await orgsOf(register, integration))
    },
    /** What the save of this lease must depend on. Throws `integration_frozen`. */
    async permit(integration: Integration, lease: OfOrg): Promise<DocumentGuard> {
      const register = await current()
      checkIn(register, integration, await orgsOf(register, integration, lease))
      return { kind: REGISTER.kind, id: REGISTER_ID, version: register.version }
    },
    /** The freezes that select it. Reads the store where memory is not current. */
    async of(integration: Integration): Promise<readonly Freeze[]> {
      const register = await current()
      if (register.freezes.length === 0) return []
      return register.findAll(integration, await orgsOf(register, integration))
    },
    /** All freezes in force. */
    async list(): Promise<readonly Freeze[]> {
      return (await current()).freezes
    },
    /** Number of freezes in force as far as this replica knows. */
    count: (): number => cache.known(REGISTER_ID)?.freezes.length ?? 0,
    /** The next question reads the store. */
    distrust: (): void => {
      generation += 1
      reading = undefined
      cache.distrust()
    },
    /** Applies a change of the stream. It is read at once, so that requests rarely wait for it. */
    heard(change: Change): void {
      const isOurs = change.type === 'document' && change.kind === REGISTER.kind
      if (!isOurs) return
      const version = cache.current(REGISTER_ID)?.version
      if (version !== undefined && version === change.version) return
      refresh()
    },
    /** Reads the store again, whatever memory says. Throws `store_unavailable`, `record_corrupt`. */
    async refresh(): Promise<void> {
      await refresh()
    },
  }
}

const frozen = (name: string, { id, since, reason }: Freeze): BrokerError => {
  const at = new Date(since).toISOString()
  return new BrokerError('integration_frozen', `${name} has been frozen since ${at}: ${reason}`, {
    members: { frozen: { id, since: at, reason } },
  })
}

/** Whether this says that an integration is frozen. */
export const isFrozenError = (error: unknown): boolean =>
  error instanceof BrokerError && error.code === 'integration_frozen'
