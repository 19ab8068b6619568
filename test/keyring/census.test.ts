import t from 'tap'
import { createCensusTaker } from '../../src/keyring/census.ts'
import type { SealedRecord } from '../../src/keyring/sealed-records.ts'

t.test('a census has all that was written before it was asked for', async (t) => {
  const items: SealedRecord[] = []
  const write = (id: string) =>
    items.push({ kind: 'leases', id, keyId: 'key', replace: async () => 'gone' })
  const began: (() => void)[] = []
  const page = async () => {
    const found = [...items]
    await new Promise<void>((resolve) => began.push(resolve))
    return { items: found, next: null }
  }
  const census = createCensusTaker({
    listings: [{ name: 'all', page }],
    keyring: { keyIds: ['key'] },
  })
  const leases = async (taken: ReturnType<typeof census.take>) => (await taken).keys.get('key')

  const first = leases(census.take())
  while (began.length < 1) await Promise.resolve()
  write('a')
  const later = [leases(census.take()), leases(census.take())]
  began[0]?.()
  t.equal(await first, undefined, 'which began before')
  while (began.length < 2) await Promise.resolve()
  began[1]?.()
  for (const one of later) t.match(await one, { leases: 1 })
  t.equal(began.length, 2, 'and those who wait share one')
})

t.test('a census that fails is not the last one', async (t) => {
  let fails = true
  const page = async () => {
    if (fails) throw new Error('away')
    return { items: [], next: null }
  }
  const census = createCensusTaker({ listings: [{ name: 'all', page }], keyring: { keyIds: [] } })
  const both = [census.take(), census.take()]
  for (const one of both) await t.rejects(one, { message: 'away' })
  fails = false
  t.match(await census.take(), { unreadable: 0 })
})
