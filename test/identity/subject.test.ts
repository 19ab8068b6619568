import t from 'tap'
import { readSubject, rememberSubject, unsavedSubject } from '../../src/identity/subject.ts'
import type { Lease } from '../../src/tokens/serve/lease.ts'

const lease = (userId: string) =>
  ({
    ...{ integration: 'billing', uid: 'u', digest: 'd' },
    ...{ orgId: '00D', userId, instanceUrl: 'https://acme.my.salesforce.com' },
  }) as Lease

function memory() {
  const bodies = new Map<string, string>()
  const calls: string[] = []
  return {
    calls,
    documents: {
      async read(_kind: string, id: string) {
        calls.push('read')
        const body = bodies.get(id)
        return body === undefined ? undefined : { id, version: 1, body }
      },
      async write(_kind: string, id: string, body: string) {
        calls.push('write')
        bodies.set(id, body)
        return { id, version: 1, body }
      },
    },
  }
}

const asked = ({ documents }: ReturnType<typeof memory>) =>
  readSubject(documents, { name: 'billing', uid: 'u' })

t.test('only another subject is written', async (t) => {
  const store = memory()
  const { documents, calls } = store
  await rememberSubject(documents, lease('005A'))
  t.same(calls.splice(0), ['read', 'write'])
  await rememberSubject(documents, lease('005A'))
  t.same(calls.splice(0), ['read'])
  await rememberSubject(documents, lease('005B'))
  t.same(calls.splice(0), ['read', 'write'])
  t.match(await asked(store), { userId: '005B' })
})

t.test('only another subject is saved with the lease', async (t) => {
  const store = memory()
  const first = unsavedSubject(lease('005A'), await asked(store))
  t.match(first, { kind: 'subject', id: 'billing', expected: 'absent' })
  await rememberSubject(store.documents, lease('005A'))
  t.equal(unsavedSubject(lease('005A'), await asked(store)), undefined)
  const other = unsavedSubject(lease('005B'), await asked(store))
  t.match(other, { expected: 1, body: /005B/ })
})
