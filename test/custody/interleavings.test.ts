/** Two brokers, one store, one Salesforce: every step of theirs in any order, with kills, lost answers, and a store that fails. */
import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { isUnsettled } from '../../src/custody/connection.ts'
import { createCustody } from '../../src/custody/custody.ts'
import { createCustodyStore } from '../../src/custody/custody-store.ts'
import { createExchange, type Exchange, type Wire } from '../../src/custody/exchange.ts'
import { createIntents } from '../../src/custody/intent.ts'
import { createSuccessors } from '../../src/custody/successors.ts'
import { createVerdicts } from '../../src/custody/verdict.ts'
import { BrokerError } from '../../src/errors.ts'
import type { TokenAnswer } from '../../src/grants/grant.ts'
import type { Custodies } from '../../src/store/custody.ts'
import { createModelCustodies } from '../support/custody-model.ts'

const TARGET = { name: 'crm', uid: 'u1', loginUrl: 'https://acme.my.salesforce.com' }
const CLIENT = '3MVG9'
const MINUTE_MS = 61_000
const away = () => new BrokerError('salesforce_unavailable', 'away')
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined }

interface Broker {
  readonly exchange: Exchange
  isDead: boolean
}

interface Pending {
  readonly of: Broker
  readonly atSalesforce: boolean
  go(): void
}

function createWorld() {
  let now = 1_000
  let ids = 0
  let pending: Pending[] = []
  const model = createModelCustodies(() => now)
  const violations: string[] = []
  const kept = new Set(['t0'])
  const fault: { store?: 'before' | 'after'; answer?: 'lost' | 'unsent' } = {}
  const salesforce = { current: 't0', given: 0, lost: 0 }
  const presented = new Set<string>()
  const uniqueId = () => `id-${++ids}`

  /** Goes on when its turn has come; never, once its broker is dead. */
  const turn = (of: Broker, atSalesforce = false) =>
    new Promise<void>((go) => pending.push({ of, atSalesforce, go }))

  const plainly = {
    seal: async (_record: string, text: string) => text,
    open: async (_record: string, text: string) => text,
  }

  const wireOf = (broker: Broker): Wire => ({
    async present(token, { onRenewed }) {
      const text = token.reveal()
      if (presented.has(text)) violations.push(`${text} was presented again unasked`)
      presented.add(text)
      const { answer: what } = fault
      delete fault.answer
      await turn(broker, true)
      if (what === 'unsent') throw away()
      if (text !== salesforce.current) {
        violations.push(`${text} was used up: now everything is dead`)
        throw away()
      }
      salesforce.given += 1
      const next = `t${salesforce.given}`
      salesforce.current = next
      await turn(broker, true)
      if (what === 'lost') throw away()
      const refreshToken = new Secret(next)
      onRenewed(refreshToken)
      return { refreshToken } as TokenAnswer
    },
    async introspect(token) {
      await turn(broker, true)
      const active = token.reveal() === salesforce.current
      if (active) presented.delete(token.reveal())
      return { active }
    },
  })

  const storeOf = (broker: Broker): Custodies =>
    new Proxy(model, {
      get(target, name) {
        const operation: unknown = Reflect.get(target, name)
        if (typeof operation !== 'function') return operation
        return async (...args: unknown[]) => {
          await turn(broker)
          const what = fault.store
          delete fault.store
          if (what === 'before') throw new BrokerError('store_unavailable', 'away')
          const result: unknown = await operation.apply(target, args)
          if (name === 'keep' && result) {
            const { token } = args[1] as { token: string }
            kept.add((JSON.parse(token) as { refreshToken: string }).refreshToken)
          }
          if (what === 'after') throw new BrokerError('store_unavailable', 'away')
          await turn(broker)
          return result
        }
      },
    })

  const createBroker = (): Broker & { wire: Wire } => {
    const broker = { isDead: false } as Broker & { exchange: Exchange; wire: Wire }
    const custody = storeOf(broker)
    const store = createCustodyStore({ custody, keyring: plainly as never })
    const family = createCustody({
      ...{ store, custody, uniqueId, dropLease: async () => undefined },
      ...{ forgetRefusal: async () => undefined, endToken: async () => undefined },
      sleep: async () => undefined,
      ...{ audit: { background: () => undefined }, log: QUIET },
    })
    const sleep = () => turn(broker)
    const onRewound = async () => void (await family.distrust())
    const monotonic = () => now
    return Object.assign(broker, {
      wire: wireOf(broker),
      exchange: createExchange({
        store,
        intents: createIntents({
          ...{ custody, trouble: undefined, onRewound, uniqueId, monotonic, sleep, log: QUIET },
        }),
        successors: createSuccessors({ store, sleep, log: QUIET }),
        verdicts: createVerdicts({
          ...{ store, custody, leaseEndsAt: async () => undefined, onLost: () => undefined },
          ...{ audit: { background: () => undefined }, log: QUIET },
        }),
        onRewound,
        endToken: async () => undefined,
      }),
    })
  }

  const brokers = [createBroker(), createBroker()]
  const brokerAt = (index: number) => brokers[index % brokers.length] as Broker & { wire: Wire }
  const working = new Set<Promise<unknown>>()

  return {
    ...{ model, violations, salesforce, fault },
    begin: () => {
      const body = JSON.stringify({ loginUrl: TARGET.loginUrl, clientId: CLIENT, seeds: [] })
      const token = JSON.stringify({
        ...{ refreshToken: 't0', loginUrl: TARGET.loginUrl, clientId: CLIENT },
      })
      const first = { uid: 'u1', expected: null, family: 'f1', token, reason: '', body }
      return model.begin(TARGET.name, { ...first, lookInMs: 1 })
    },
    isIdle: () => pending.length === 0,
    /** One of those that wait goes on, until it waits again. */
    async step(choice: number) {
      const next = pending[choice % Math.max(1, pending.length)]
      if (!next) return
      pending = pending.filter((one) => one !== next)
      // What Salesforce does, it does whether or not somebody still listens.
      if (!next.of.isDead || next.atSalesforce) next.go()
      await new Promise((resolve) => setImmediate(resolve))
    },
    ask(index: number) {
      const broker = brokerAt(index)
      const work = broker.exchange
        .exchange(TARGET, CLIENT, broker.wire)
        .then(
          ({ refreshToken }) => {
            const served = refreshToken?.reveal() ?? ''
            if (!broker.isDead && !kept.has(served)) violations.push(`${served} was not kept`)
          },
          (error: unknown) => {
            if (!(error instanceof BrokerError)) violations.push(String(error))
          },
        )
        .finally(() => working.delete(work))
      working.add(work)
    },
    kill(index: number) {
      brokerAt(index).isDead = true
      pending = pending.filter(({ of, atSalesforce }) => !of.isDead || atSalesforce)
      brokers[index % brokers.length] = createBroker()
    },
    /** Nobody waits so long for Salesforce. */
    pass() {
      if (!pending.some(({ atSalesforce }) => atSalesforce)) now += MINUTE_MS
    },
    async drain() {
      while (pending.length > 0) await this.step(0)
    },
    async settle(): Promise<string> {
      now += MINUTE_MS
      const broker = createBroker()
      const work = broker.exchange.settle(TARGET, CLIENT, broker.wire.introspect)
      const settled = work.catch((error: unknown) => {
        if (!(error instanceof BrokerError) || isUnsettled(error)) violations.push(String(error))
      })
      await this.drain()
      await settled
      const record = model.records.get(TARGET.name)
      if (record?.state !== 'idle') return record?.state ?? 'gone'
      return (JSON.parse(record.token) as { refreshToken: string }).refreshToken
    },
  }
}

const act = fc.record({ kind: fc.nat({ max: 99 }), choice: fc.nat({ max: 999 }) })

t.test('no token is used twice, and none is served before it is kept', async (t) => {
  const ends = { alive: 0, lost: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 60, maxLength: 250 }), async (acts) => {
      const world = createWorld()
      await world.begin()
      for (const { kind, choice } of acts) {
        if (kind < 76) await world.step(choice)
        else if (kind < 86) world.ask(choice)
        else if (kind < 90) world.kill(choice)
        else if (kind < 94) world.pass()
        else if (kind < 96) world.fault.answer = choice % 2 ? 'lost' : 'unsent'
        else world.fault.store = choice % 2 ? 'before' : 'after'
      }
      delete world.fault.store
      delete world.fault.answer
      await world.drain()
      const end = await world.settle()
      t.same(world.violations, [])
      if (end === 'dead') ends.lost += 1
      else {
        ends.alive += 1
        t.equal(end, world.salesforce.current, 'what is kept is what lives')
      }
    }),
    { numRuns: 300 },
  )
  t.ok(ends.alive > 30 && ends.lost > 30, JSON.stringify(ends))
})
