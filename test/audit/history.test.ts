import t from 'tap'
import type { Actor, AuditEntry, AuditEvent } from '../../src/audit/event.ts'
import { createHistory } from '../../src/audit/history.ts'
import type { AuditShare } from '../../src/audit/shares.ts'
import { testRuntime } from '../support/runtime.ts'

const HOUR_MS = 3_600_000

function start() {
  let now = 0
  let count = 0
  const entries: { readonly share: AuditShare; readonly event: AuditEvent }[] = []
  const lines = new Map<string, { readonly share: AuditShare; readonly event: AuditEvent }>()
  const history = createHistory({
    runtime: testRuntime({ monotonic: () => now }),
    stored: {
      async add(share, body, line) {
        const found = { share, event: JSON.parse(body) as AuditEvent }
        if (line === undefined) entries.push(found)
        else lines.set(line, found)
      },
    },
  })
  const add = (by: Partial<Actor>, entry: AuditEntry) => {
    count += 1
    const eventId = { id: `e${count}`, at: `at ${count}` }
    return history.add(eventId, { principal: null, requestId: `r${count}`, ...by }, entry)
  }
  const grown = () => [...lines.values()]
  return {
    ...{ history, add, entries, lines, grown },
    pass(ms: number) {
      now += ms
    },
  }
}

const denied = (address: string, integration: string | null = null): AuditEntry => ({
  action: 'request.denied',
  integration,
  outcome: 'denied',
  detail: { reason: 'caller_forbidden', operation: 'getToken', address },
})

t.test('what one caller is denied is one line, whatever it asks for', async (t) => {
  const { history, add, entries, grown } = start()
  const by = { principal: 'api-key:a' }
  await add(by, denied('192.0.2.1', 'name-1'))
  t.match(grown(), [{ share: 'denials', event: { id: 'e1', integration: 'name-1' } }])
  for (let index = 2; index <= 100_000; index += 1) {
    await add(by, denied('192.0.2.1', `name-${index}`))
  }
  await history.stop()
  t.strictSame(entries, [])
  t.equal(grown().length, 1)
  const event = grown()[0]?.event
  t.strictSame(event, {
    id: 'e1',
    at: 'at 100000',
    principal: 'api-key:a',
    action: 'request.denied',
    integration: null,
    outcome: 'denied',
    request_id: null,
    detail: {
      reason: 'caller_forbidden',
      operation: 'getToken',
      address: '192.0.2.1',
      integrations: Array.from({ length: 20 }, (_, index) => `name-${index + 1}`),
      count: 100_000,
      since: 'at 1',
    },
  })
})

t.test('what nobody known is denied is one line for each network', async (t) => {
  const { history, add, grown } = start()
  for (let index = 1; index <= 1_000; index += 1) {
    await add({}, denied(`2001:db8:0:7::${index.toString(16)}`))
  }
  await add({}, denied('192.0.2.1'))
  await history.stop()
  t.match(
    grown().map(({ share, event }) => ({ share, ...event.detail })),
    [
      { share: 'strangers', count: 1_000, address: '2001:db8:0:7::/64' },
      { share: 'strangers', count: 1, address: '192.0.2.1' },
    ],
  )
})

t.test('networks beyond number share one line, and callers of it keep no name', async (t) => {
  const { history, add, grown } = start()
  for (let index = 0; index < 6_000; index += 1) {
    const principal = `api-key:${index}`
    await add({ principal }, denied(`192.0.${index >> 8}.${index & 0xff}`, 'billing'))
  }
  await history.stop()
  t.equal(grown().length, 5_001)
  t.match(grown().at(-1)?.event, {
    principal: null,
    integration: 'billing',
    detail: { count: 1_000 },
  })
  t.equal(grown().at(-1)?.event.detail?.address, undefined)
})

const minted = (tokenId: string): AuditEntry => ({
  action: 'token.minted',
  integration: 'billing',
  tokenId,
})

t.test('of what one caller repeats the first are listed, and the rest counted', async (t) => {
  const { history, add, entries, grown, pass } = start()
  for (let index = 1; index <= 1_000; index += 1) {
    await add({ principal: 'api-key:a' }, minted(`token-${index}`))
  }
  await add({ principal: 'api-key:b' }, minted('other'))
  t.equal(entries.length, 101)
  t.match(entries[100], { share: 'tokens', event: { principal: 'api-key:b', token_id: 'other' } })
  await history.stop()
  t.match(grown(), [{ share: 'tokens', event: { principal: 'api-key:a', detail: { count: 900 } } }])
  t.equal(grown()[0]?.event.token_id, undefined, 'they were different ones')
  pass(HOUR_MS)
  await add({ principal: 'api-key:a' }, minted('later'))
  t.match(entries.at(-1), { event: { token_id: 'later' } }, 'with the hour it begins anew')
})

t.test('refusals that repeat leave room for others', async (t) => {
  const { history, add, entries, grown } = start()
  for (let index = 0; index < 1_000; index += 1) {
    await add(
      { principal: 'api-key:a' },
      {
        action: 'token.refused',
        integration: 'billing',
        outcome: 'failed',
        detail: { reason: 'login_budget_exhausted' },
      },
    )
  }
  await history.stop()
  t.equal(entries.length, 5)
  t.match(grown(), [
    { share: 'refusals', event: { integration: 'billing', detail: { count: 995 } } },
  ])
})

t.test('a line is left after an hour, and another one begins', async (t) => {
  const { history, add, grown, pass } = start()
  await add({}, denied('192.0.2.1'))
  await add({}, denied('192.0.2.1'))
  pass(HOUR_MS)
  await add({}, denied('192.0.2.1'))
  await history.stop()
  t.match(
    grown().map(({ event }) => [event.id, event.detail?.count]),
    [
      ['e1', 2],
      ['e3', 1],
    ],
  )
})

t.test('token reads are not stored', async (t) => {
  const { history, add, entries, grown } = start()
  await add({ principal: 'admin' }, { action: 'token.read', integration: 'billing' })
  await history.stop()
  t.strictSame([entries, grown()], [[], []])
})
