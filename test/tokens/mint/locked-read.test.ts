import t from 'tap'
import type { StoredSubject } from '../../../src/identity/subject.ts'
import { createLockedRead, type Ready } from '../../../src/tokens/mint/locked-read.ts'
import type { TakenLock } from '../../../src/tokens/mint/login-budget.ts'
import type { MintRecords } from '../../../src/tokens/mint/opened-integration.ts'
import type { Entry } from '../../../src/tokens/serve/lease-cache.ts'
import { entryOf, integrationOf } from '../../support/integrations.ts'
import { partOf } from '../../support/part.ts'

const entryWith = (uid: string) => entryOf({ integration: integrationOf({ name: 'billing', uid }) })
const RECORDS = partOf<MintRecords>({ owner: undefined })
const SUBJECT = partOf<StoredSubject>({ version: 7 })

/** What was asked, in order. `taken`: what the store says when it is asked for the lock with a login. */
function lockedRead(stored: Entry, taken: TakenLock | undefined) {
  const asked: string[] = []
  const { underLock, underPaidLock } = createLockedRead({
    records: {
      async require() {
        asked.push('look')
        return stored
      },
    },
    logins: {
      async read() {
        asked.push('records')
        return RECORDS
      },
      async subjectOf() {
        asked.push('subject')
        return SUBJECT
      },
      userOf: () => undefined,
      async chargeUnderLock() {
        asked.push('lock and login')
        return taken
      },
    },
    flights: {
      async readUnderLock(_name, read, work, take) {
        const taking = take ? take('owner', 3_000) : true
        if (!take) asked.push('lock')
        const reading = read()
        if (!(await taking)) return undefined
        asked.push('answered')
        return { result: await work(await reading) }
      },
    },
  })
  return { asked, underLock, underPaidLock }
}

const same = async (ready: Ready) => ready

t.test('an outcome that the store compared is not read again', async (t) => {
  const known = entryWith('u')
  const taken: TakenLock = { isUnchanged: true, isPaid: () => true }
  const { asked, underPaidLock } = lockedRead(entryWith('u'), taken)
  const ready = (await underPaidLock(known, same))?.result
  t.same(asked, ['lock and login', 'records', 'subject', 'answered'])
  t.equal(ready?.entry, known)
  t.equal(ready?.taken, taken)
  t.equal(await ready?.records, RECORDS)
  t.equal(await ready?.subject, SUBJECT)
})

t.test('an outcome that changed is read, under the lock', async (t) => {
  const stored = entryWith('u')
  const { asked, underPaidLock } = lockedRead(stored, { isUnchanged: false, isPaid: () => false })
  const ready = (await underPaidLock(entryWith('u'), same))?.result
  t.same(asked, ['lock and login', 'records', 'subject', 'answered', 'look'])
  t.equal(ready?.entry, stored)
  t.equal(await ready?.records, RECORDS)
})

t.test('nothing that was read for the integration of that name before is used', async (t) => {
  const { underPaidLock } = lockedRead(entryWith('made anew'), {
    ...{ isUnchanged: false, isPaid: () => false },
  })
  const ready = (await underPaidLock(entryWith('removed'), same))?.result
  t.equal(ready?.entry.integration.uid, 'made anew')
  t.same([ready?.records, ready?.subject], [undefined, undefined])
})

t.test('without the lock there is no work', async (t) => {
  const { asked, underPaidLock } = lockedRead(entryWith('u'), undefined)
  t.equal(await underPaidLock(entryWith('u'), same), undefined)
  t.same(asked, ['lock and login', 'records', 'subject'])
})

t.test('a lock without a login reads the outcome in the same round trip', async (t) => {
  const stored = entryWith('u')
  const { asked, underLock } = lockedRead(stored, undefined)
  const ready = (await underLock(stored.integration, same))?.result
  t.same(asked, ['lock', 'look', 'records', 'subject', 'answered'])
  t.equal(ready?.entry, stored)
})
