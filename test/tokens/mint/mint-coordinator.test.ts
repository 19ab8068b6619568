import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { Integration } from '../../../src/integrations/integration.ts'
import type { MintRecords } from '../../../src/tokens/mint/mint.ts'
import {
  createMintCoordinator,
  type MintCoordinatorDependencies,
} from '../../../src/tokens/mint/mint-coordinator.ts'
import type { Lease } from '../../../src/tokens/serve/lease.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { entryOf, integrationOf, leaseOf } from '../../support/integrations.ts'

const entryWith = (uid: string) => entryOf({ integration: integrationOf({ uid }) })
const lease = leaseOf()
const BY = { principal: 'test', requestId: 'r' }

/** One whose mints fail as often as told, and what each was given to begin with. */
function flightOver(stored: Entry, failures: number) {
  const began: (MintRecords | undefined)[] = []
  const subjects: string[] = []
  const records = { sealed: 'read under the lock' } as unknown as MintRecords
  const dependencies = {
    look: async () => stored,
    cache: { saved: () => true },
    outcomes: {},
    leases: { save: async () => ({ saved: true, orev: 2, rev: 2 }) },
    flights: {
      join: (_key: string, work: () => Promise<unknown>) => ({ result: work(), joined: false }),
      readUnderLock: async (
        _name: string,
        read: () => Promise<unknown>,
        work: (read: unknown) => Promise<unknown>,
      ) => ({ result: await work(await read()) }),
    },
    minter: {
      read: async () => records,
      async mint(_name: string, _options: unknown, given?: Promise<MintRecords>) {
        began.push(await given)
        if (began.length <= failures) throw new BrokerError('salesforce_unavailable', 'away')
        return lease
      },
    },
    attempts: {
      async run(_host: string, _until: number, attempt: () => Promise<Lease>) {
        return attempt().catch(attempt)
      },
    },
    storeless: { lease: () => undefined, forget: () => undefined },
    async subjectOf({ uid }: Integration) {
      subjects.push(uid)
      return undefined
    },
    now: () => 0,
    monotonic: () => 0,
    onMinted: () => undefined,
  }
  const flight = createMintCoordinator(dependencies as unknown as MintCoordinatorDependencies)
  const run = (asked: Entry) => flight.run(asked, { kind: 'need', minTtlMs: 0 }, BY).result
  return { run, began, subjects, records }
}

t.test(
  'a mint begins with what was read under the lock, and reads anew when it is tried again',
  async (t) => {
    const { run, began, subjects, records } = flightOver(entryWith('u'), 1)
    t.match(await run(entryWith('u')), { lease: { tokenId: 't' }, isFresh: true, isSaved: true })
    t.same(began, [records, undefined])
    t.same(subjects, ['u'], 'whom it acts as is read once')
  },
)

t.test('nothing that was read for the integration of that name before is used', async (t) => {
  const { run, began, subjects } = flightOver(entryWith('made anew'), 0)
  await run(entryWith('removed'))
  t.same(began, [undefined])
  t.same(subjects, ['removed', 'made anew'])
})
