import type { LookupAddress } from 'node:dns'
import t from 'tap'
import { vettedLookup } from '../../../src/http/outbound/vetted-lookup.ts'

type Found = { code: string | undefined; addresses: string | LookupAddress[] }

function look(lookup: ReturnType<typeof vettedLookup>, all: boolean): Promise<Found> {
  return new Promise((resolve) => {
    lookup('acme.my.salesforce.com', { all }, (error, addresses) =>
      resolve({ code: error?.code, addresses }),
    )
  })
}

const PUBLIC = { address: '8.8.8.8', family: 4 }
const PUBLIC_6 = { address: '2606:4700::1111', family: 6 }

t.test('hands over exactly the addresses that it judged', async (t) => {
  const lookup = vettedLookup(async () => [PUBLIC, PUBLIC_6])
  t.same((await look(lookup, true)).addresses, [PUBLIC, PUBLIC_6])
  t.equal((await look(lookup, false)).addresses, '8.8.8.8')
})

t.test('judges anew each time: a name that turns private later is refused then', async (t) => {
  let lookups = 0
  const lookup = vettedLookup(async () => {
    lookups += 1
    return [lookups === 1 ? PUBLIC : { address: '127.0.0.1', family: 4 }]
  })
  t.same((await look(lookup, true)).addresses, [PUBLIC])
  t.equal(lookups, 1, 'one look for the judgement and the connection')
  t.equal((await look(lookup, true)).code, 'ERR_ADDRESS_REFUSED')
})

t.test(
  'refuses a name of which one address is not public, and one without addresses',
  async (t) => {
    for (const addresses of [[PUBLIC, { address: '10.0.0.1', family: 4 }], []]) {
      for (const all of [true, false]) {
        const found = await look(
          vettedLookup(async () => addresses),
          all,
        )
        t.equal(found.code, 'ERR_ADDRESS_REFUSED')
        t.notMatch(found.addresses, /\d/)
      }
    }
  },
)

t.test('passes the resolver’s own error on', async (t) => {
  const lookup = vettedLookup(async () => {
    throw Object.assign(new Error('no such host'), { code: 'ENOTFOUND' })
  })
  t.equal((await look(lookup, true)).code, 'ENOTFOUND')
})
