import t from 'tap'
import { readSubject, rememberSubject } from '../../src/identity/subject.ts'
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

t.test('the usual mint writes nothing, and reads nothing again', async (t) => {
  const { documents, calls } = memory()
  const asked = () => readSubject(documents, { name: 'billing', uid: 'u' })
  await rememberSubject(documents, lease('005A'), asked())
  t.same(calls.splice(0), ['read', 'write'])
  await rememberSubject(documents, lease('005A'), asked())
  t.same(calls.splice(0), ['read'])
  await rememberSubject(documents, lease('005B'), asked())
  t.same(calls.splice(0), ['read', 'write'])
  t.match(await asked(), { userId: '005B' })
})

t.test('whoever did not read what was there before has it read', async (t) => {
  const { documents, calls } = memory()
  await rememberSubject(documents, lease('005A'))
  await rememberSubject(documents, lease('005A'))
  t.same(calls, ['read', 'write', 'read'])
})
