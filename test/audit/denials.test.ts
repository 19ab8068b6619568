import t from 'tap'
import { createDenials, type Denial } from '../../src/audit/denials.ts'
import type { AuditEntry } from '../../src/audit/event.ts'
import { testRuntime } from '../support/runtime.ts'

function start() {
  let now = 1_800_000_000_000
  let blocked = false
  const lines: AuditEntry[] = []
  const stored: AuditEntry[] = []
  const denials = createDenials({
    runtime: testRuntime({ monotonic: () => now }),
    isBlocked: () => blocked,
    line: (_by, entry) => lines.push(entry),
    store: (_by, entry) => stored.push(entry),
  })
  return {
    denials,
    lines,
    stored,
    pass(ms: number) {
      now += ms
    },
    block(value: boolean) {
      blocked = value
    },
  }
}

const anonymous = (address = '192.0.2.1'): Denial => ({
  requestId: 'r',
  principal: null,
  code: 'caller_unauthenticated',
  address,
  operation: 'getToken',
  integration: 'billing',
})

const known: Denial = { ...anonymous(), principal: 'api-key:a', code: 'caller_forbidden' }

t.test(
  'anonymous denials of one address are listed once a minute, and the rest counted',
  async (t) => {
    const { denials, lines, stored } = start()
    for (let index = 0; index < 1_000; index += 1) denials.add(anonymous())
    t.equal(lines.length, 1)
    t.strictSame(lines[0], {
      action: 'request.denied',
      integration: null,
      outcome: 'denied',
      detail: { reason: 'caller_unauthenticated', operation: 'getToken', address: '192.0.2.1' },
    })
    await denials.stop()
    t.equal(lines.length, 2)
    t.match(lines[1], { detail: { count: 999, address: '192.0.2.1' } })
    t.equal(stored.length, 1_000, 'the store counts all')
  },
)

t.test('the addresses of one IPv6 network are one', async (t) => {
  const { denials, lines } = start()
  for (let index = 1; index <= 1_000; index += 1) {
    denials.add(anonymous(`2001:db8:0:7::${index.toString(16)}`))
  }
  denials.add(anonymous('2001:db8:0:8::1'))
  t.strictSame(
    lines.map(({ detail }) => detail?.address),
    ['2001:db8:0:7::1', '2001:db8:0:8::1'],
  )
  await denials.stop()
  t.match(lines.slice(2), [{ detail: { count: 999, address: '2001:db8:0:7::/64' } }])
})

t.test('addresses beyond number share one count', async (t) => {
  const { denials, lines } = start()
  for (let index = 0; index < 12_000; index += 1) denials.add(anonymous(`address-${index}`))
  t.equal(lines.length, 10_000)
  await denials.stop()
  t.match(lines.slice(10_000), [{ detail: { count: 2_000 } }])
})

t.test('denials of a proven caller all have a line', async (t) => {
  const { denials, lines, stored } = start()
  for (let index = 0; index < 50; index += 1) denials.add(known)
  t.equal(lines.length, 50)
  t.match(lines[0], { integration: 'billing' })
  await denials.stop()
  t.equal(lines.length, 50)
  t.strictSame(stored, lines)
})

t.test('while lines cannot be written everything is counted, and reported later', async (t) => {
  const { denials, lines, block } = start()
  block(true)
  for (let index = 0; index < 50; index += 1) denials.add(known)
  t.equal(lines.length, 1)
  block(false)
  await denials.stop()
  t.match(lines[1], { detail: { count: 49 } })
})

t.test('revocations of different tokens, and by different clients, are told apart', async (t) => {
  const { denials, lines } = start()
  const ignored = { ...anonymous(), code: 'revoke_ignored' }
  const kinds = [
    { ...ignored, tokenId: 'one', client: 'api-key:a' },
    { ...ignored, tokenId: 'two', client: 'api-key:a' },
    { ...ignored, tokenId: 'one', client: 'api-key:b' },
    ignored,
  ]
  for (const kind of [...kinds, ...kinds]) denials.add(kind)
  t.equal(lines.length, kinds.length)
  await denials.stop()
  const counted = lines.slice(kinds.length)
  t.same(
    counted.map(({ tokenId, detail }) => [tokenId, detail?.client, detail?.count]),
    kinds.map(({ tokenId, client }: Denial) => [tokenId, client, 1]),
  )
})
