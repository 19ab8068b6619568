/** Two brokers, one store, one Salesforce: every step of theirs in any order, with kills, lost answers, a store that fails, and one that goes back in time. */
import { Secret } from '../../src/crypto/secret.ts'
import { isUnsettled } from '../../src/custody/connection.ts'
import type { RefreshTokenExchange, Wire } from '../../src/custody/exchange.ts'
import type { Vouching } from '../../src/custody/vouching.ts'
import type { Witness } from '../../src/custody/witness.ts'
import { BrokerError, isStoreAway } from '../../src/errors/errors.ts'
import type { TokenAnswer } from '../../src/grants/token-endpoint/token-answer.ts'
import type { Custodies, CustodyPresentation } from '../../src/store/custody.ts'
import { createCustodyBroker, memoryWitness } from './custody-broker.ts'
import { createModelCustodies, type ModelFile } from './custody-model.ts'

const TARGET = { name: 'crm', uid: 'u1', loginUrl: 'https://acme.my.salesforce.com' }
const CLIENT = '3MVG9'
const MINUTE_MS = 61_000
const GRACE_MS = 3_000
const away = () => new BrokerError('salesforce_unavailable', 'away')

interface Broker {
  readonly exchange: RefreshTokenExchange
  readonly vouching: Vouching
  readonly witness: Pick<Witness, 'read' | 'note'>
  readonly wire: Wire
  isDead: boolean
}

interface Pending {
  readonly of: Broker
  readonly atSalesforce: boolean
  go(): void
}

/** What becomes of a broker while the store is away. */
export type Fate = 'lives' | 'restarts' | 'anew'

export interface CustodyWorldOptions {
  /** Whether Salesforce tells if a refresh token lives. Default true. */
  readonly canAsk?: boolean
  /** False: the store lets everybody present. */
  readonly isGuarded?: boolean
}

export function createCustodyWorld({ canAsk = true, isGuarded = true }: CustodyWorldOptions = {}) {
  let now = 1_000
  let ids = 0
  let pending: Pending[] = []
  const model = createModelCustodies(() => now)
  model.isGuarded = isGuarded
  const violations: string[] = []
  const kept = new Set(['t0'])
  const fault: { store?: 'before' | 'after'; answer?: 'lost' | 'unsent' } = {}
  const salesforce = { current: 't0', given: 0, lost: 0 }
  const presented = new Set<string>()
  /** Where nothing else is left, they are tried without knowing. */
  const finals = new Set<string>()
  const uniqueId = () => `id-${++ids}`

  /** Goes on when its turn has come; never, once its broker is dead. */
  const turn = (of: Broker, atSalesforce = false) =>
    new Promise<void>((go) => pending.push({ of, atSalesforce, go }))

  const wireOf = (broker: Broker): Wire => ({
    async present(token, { onRenewed }) {
      const text = token.reveal()
      const isFinal = finals.has(text)
      if (presented.has(text) && !isFinal) violations.push(`${text} was presented again unasked`)
      presented.add(text)
      const { answer: what } = fault
      delete fault.answer
      await turn(broker, true)
      if (what === 'unsent') throw away()
      if (text !== salesforce.current) {
        if (!isFinal) violations.push(`${text} was used up: now everything is dead`)
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
      if (!canAsk) throw new BrokerError('grant_refused', 'It may not ask')
      const active = token.reveal() === salesforce.current
      if (active) presented.delete(token.reveal())
      return { active }
    },
  })

  const noteFinal = ({ isFinal }: CustodyPresentation) => {
    const record = model.records.get(TARGET.name)
    if (isFinal && record)
      finals.add((JSON.parse(record.token) as { refreshToken: string }).refreshToken)
  }

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
          if (name === 'spend') noteFinal(args[1] as CustodyPresentation)
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

  const createBroker = (witness = memoryWitness()): Broker => {
    const broker = { isDead: false, witness } as Broker
    const { exchange, vouching } = createCustodyBroker({
      ...{ custody: storeOf(broker), ages: model, now: () => now, uniqueId, witness },
      ...{ sleep: () => turn(broker), graceMs: GRACE_MS },
    })
    return Object.assign(broker, { exchange, vouching, wire: wireOf(broker) })
  }

  const brokers = [createBroker(), createBroker()]
  const brokerAt = (index: number) => brokers[index % brokers.length] as Broker
  const working = new Set<Promise<unknown>>()

  const replace = (index: number, witness?: Broker['witness']) => {
    brokerAt(index).isDead = true
    pending = pending.filter(({ of, atSalesforce }) => !of.isDead || atSalesforce)
    brokers[index % brokers.length] = createBroker(witness)
  }

  /** One of those that wait goes on, until it waits again. */
  const step = async (choice: number): Promise<void> => {
    const next = pending[choice % Math.max(1, pending.length)]
    if (next) {
      pending = pending.filter((one) => one !== next)
      // What Salesforce does, it does whether or not somebody still listens.
      if (!next.of.isDead || next.atSalesforce) next.go()
    }
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** To its end; the others wait meanwhile. */
  const look = async (broker: Broker): Promise<void> => {
    for (let isDone = false; !isDone; ) {
      const state = { isOver: false }
      const tried = broker.vouching.tend().then(
        () => true,
        (error: unknown) => {
          if (!isStoreAway(error)) throw error
          return false
        },
      )
      const over = tried.finally(() => {
        state.isOver = true
      })
      while (!state.isOver) {
        await new Promise((resolve) => setImmediate(resolve))
        const last = pending.findLastIndex(({ of }) => of === broker)
        if (!state.isOver && last >= 0) await step(last)
      }
      isDone = await over
    }
  }

  const allLook = async () => {
    for (const broker of brokers) await look(broker)
  }

  const ask = (index: number): void => {
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
  }

  return {
    ...{ model, violations, salesforce, fault, step, ask },
    async begin() {
      const body = JSON.stringify({ loginUrl: TARGET.loginUrl, clientId: CLIENT, seeds: [] })
      const token = JSON.stringify({
        ...{ refreshToken: 't0', loginUrl: TARGET.loginUrl, clientId: CLIENT },
      })
      const first = { uid: 'u1', expected: null, family: 'f1', token, reason: '', body }
      await model.begin(TARGET.name, { ...first, lookInMs: 1 })
      await allLook()
    },
    look: (index: number) => look(brokerAt(index)),
    kill: (index: number) => replace(index, index % 4 < 2 ? brokerAt(index).witness : undefined),
    /** The server ends, and one with this file comes in its place; what each broker heard until then, it knows if it lives on, or finds in its witness. */
    async restart(fates: readonly Fate[], early: number, file?: ModelFile) {
      await allLook()
      for (const [index, fate] of fates.entries()) {
        if (fate !== 'lives') replace(index, fate === 'anew' ? undefined : brokerAt(index).witness)
      }
      model.restart(file)
      ask(early)
      for (let steps = early % 12; steps > 0; steps -= 1) await step(early)
      // Each of those that know something hears of it before the grace is over.
      await allLook()
      now += GRACE_MS
      await allLook()
    },
    /** Nobody waits so long for Salesforce. */
    pass() {
      if (!pending.some(({ atSalesforce }) => atSalesforce)) now += MINUTE_MS
    },
    async drain() {
      while (pending.length > 0) await step(0)
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
