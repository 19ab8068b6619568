import t from 'tap'
import { NOBODY } from '../../src/audit/event.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { DocumentRecord } from '../../src/store/store.ts'
import type { WebhookEvent } from '../../src/webhooks/webhook-event.ts'
import { createWebhookSource, type Described } from '../../src/webhooks/webhook-source.ts'
import { eventually } from '../support/eventually.ts'
import { testRuntime } from '../support/runtime.ts'

const DESCRIBED: Described = {
  uid: 'u',
  isWatched: true,
  common: {},
  certificate: () => ({}),
  refusal: (reason) => ({ reason }),
  activatedAt: () => 0,
  isFirst: () => false,
  identity: async () => ({}),
}

/** Writes that the test refuses, and pauses that pass at once. */
function setUp(describe: () => Promise<Described> = async () => DESCRIBED) {
  let record: DocumentRecord | undefined
  let isContended = false
  let isAway = false
  let writes = 0
  const queued = new Map<string, WebhookEvent>()
  const lost: string[] = []
  const troubles: unknown[] = []
  const source = createWebhookSource({
    store: {
      identity: async () => ({ id: 'store', seq: 0 }),
      documents: {
        async read() {
          if (isAway) throw new BrokerError('store_unavailable', 'It is away')
          return record
        },
        async write(_kind, id, body) {
          writes += 1
          if (isContended) return undefined
          record = { id, body, version: (record?.version ?? 0) + 1 }
          return record
        },
      },
    },
    queue: {
      async add(event) {
        queued.set(event.id, event)
        return 'added'
      },
    },
    describe,
    runtime: testRuntime({
      now: () => 1_000,
      sleep: () => new Promise((resolve) => setImmediate(resolve)),
    }),
    onQueued: () => undefined,
    onLost: (why) => lost.push(why),
    outage: { report: (error) => troubles.push(error), over: () => undefined },
  })
  return {
    ...{ source, queued, lost, troubles },
    refuse: (integration: string) =>
      source.note(NOBODY, {
        action: 'token.refused',
        integration,
        outcome: 'refused',
        detail: { reason: 'user_inactive', class: 'permanent' },
      }),
    writes: () => writes,
    contend(value: boolean) {
      isContended = value
    },
    leave() {
      isAway = true
    },
    written: () => record !== undefined,
  }
}

t.test('an edge that others write again and again is not given up', async (t) => {
  const { source, refuse, contend, writes, written, queued, troubles, lost } = setUp()
  contend(true)
  source.start()
  refuse('billing')
  await eventually(() => writes() > 12)
  t.match(troubles[0], { code: 'conflict' }, 'and it is said')
  contend(false)
  await eventually(written)
  t.equal(queued.size, 1, 'one event, however often it was queued')
  t.same(lost, [])
  await source.stop()
})

t.test('what cannot be made is counted as lost, and stands in no way', async (t) => {
  let described = 0
  const { source, refuse, written, lost, troubles } = setUp(async () => {
    described += 1
    if (described === 1) throw new Error('a bug')
    return DESCRIBED
  })
  source.start()
  refuse('billing')
  refuse('crm')
  await eventually(written)
  t.same(lost, ['failed'])
  t.equal(troubles.length, 1)
  await source.stop()
})

t.test('what the store did not take before the end is counted as lost', async (t) => {
  const { source, refuse, leave, lost } = setUp()
  leave()
  refuse('billing')
  refuse('crm')
  await source.stop()
  t.same(lost, ['stopped', 'stopped'])
})

t.test('a loop of logins is one event, whichever replica notices it', async (t) => {
  const events: WebhookEvent[][] = []
  for (const _ of [1, 2]) {
    const { source, queued } = setUp()
    source.start()
    for (const principal of ['api-key:one', 'api-key:one', 'api-key:two']) {
      source.note(
        { principal, requestId: 'r' },
        {
          ...{ action: 'login.looped', integration: 'billing', outcome: 'denied', tokenId: 't' },
          detail: { reason: 'token_still_live', address: '203.0.113.7' },
        },
      )
    }
    await source.stop()
    events.push([...queued.values()])
  }
  t.same(events[0], events[1])
  t.match(events[0], [
    {
      ...{ type: 'integration.login_loop', integration: 'billing' },
      data: { by: 'api-key:one', remedy: /check-token/ },
    },
    { data: { by: 'api-key:two' } },
  ])
  t.notMatch(JSON.stringify(events), '203.0.113.7')
})

t.test('what is unusual about a watched integration is an event', async (t) => {
  const note = async (isWatched: boolean) => {
    const { source, queued } = setUp(async () => ({ ...DESCRIBED, isWatched }))
    source.start()
    const by = { principal: 'api-key:one', requestId: null }
    const of = { integration: 'billing' }
    source.note(by, { ...of, action: 'caller.new' })
    for (const network of ['a', 'b']) {
      source.note(by, { ...of, action: 'caller.new_network', detail: { network } })
    }
    source.note(by, { ...of, action: 'caller.unusual_rate', detail: { reads: 600, usual: 7 } })
    source.note(NOBODY, { ...of, action: 'scope.changed', detail: { reason: 'scope_changed' } })
    source.note(NOBODY, { ...of, action: 'instance.changed' })
    await source.stop()
    return [...queued.values()].map(({ type, data }) => ({ type, data }))
  }
  t.strictSame(await note(true), [
    { type: 'caller.new', data: { by: 'api-key:one' } },
    { type: 'caller.new_network', data: { by: 'api-key:one', network: 'a' } },
    { type: 'caller.new_network', data: { by: 'api-key:one', network: 'b' } },
    { type: 'caller.unusual_rate', data: { by: 'api-key:one', reads: 600, usual: 7 } },
    { type: 'integration.scopes_changed', data: {} },
    { type: 'integration.instance_changed', data: {} },
  ])
  t.same(await note(false), [])
})
