/** The rules of `store/custody.ts`, said once more in memory: what the engines are held to, and what models run on. */
import type { Custodies, CustodyRecord } from '../../src/store/custody.ts'

export interface ModelCustodies extends Custodies {
  records: ReadonlyMap<string, CustodyRecord>
  seq: number
}

/** Of integrations whose uid is `u1`. */
export function createModelCustodies(now: () => number): ModelCustodies {
  const change = (name: string, changes: Partial<CustodyRecord>) => {
    const record = model.records.get(name)
    if (record) put(name, { ...record, ...changes })
  }
  const put = (name: string, record: CustodyRecord) => {
    model.records = new Map(model.records).set(name, record)
    model.seq += 1
  }
  const model: ModelCustodies = {
    records: new Map(),
    seq: 0,
    async read(name) {
      return { record: model.records.get(name), now: now(), seq: model.seq }
    },
    async begin(name, { uid, expected, family, token, reason, body }) {
      if (uid !== 'u1') return 'gone'
      if ((model.records.get(name)?.family ?? null) !== expected) return 'changed'
      const state = token === '' ? 'dead' : 'idle'
      put(name, {
        ...{ uid, family, g: 0, token, state, id: '', at: now(), keptAt: now() },
        ...{ isFinal: false, reason, body },
      })
      return 'begun'
    },
    async spend(name, { family, g, id, next, isFinal, seq }) {
      if (model.seq < seq) return 'rewound'
      const record = model.records.get(name)
      const isSame = record?.family === family && record.g === g && record.id === id
      if (!isSame || record.state === 'dead') return 'changed'
      change(name, { state: 'spend', id: next, at: now(), isFinal })
      return 'spent'
    },
    async unspend(name, id) {
      const record = model.records.get(name)
      if (record?.id !== id || record.state !== 'spend') return false
      change(name, { state: 'idle', at: now(), isFinal: false })
      return true
    },
    async keep(name, { family, g, token }) {
      const record = model.records.get(name)
      if (record?.family !== family) return false
      const kept = { state: 'idle', at: now(), keptAt: now(), isFinal: false, reason: '' } as const
      if (record.g < g) change(name, { g, token, ...kept })
      return true
    },
    async kill(name, { family, g, id, reason }) {
      const record = model.records.get(name)
      const isSame = record?.family === family && record.g === g && record.id === id
      if (!isSame || record.state === 'dead') return false
      change(name, { state: 'dead', at: now(), reason })
      return true
    },
    async distrust(id) {
      const idle = [...model.records].filter(([, { state }]) => state === 'idle')
      for (const [name] of idle) change(name, { state: 'spend', id, at: now(), isFinal: false })
      return idle.length
    },
    claim: async () => [],
    lookAt: async () => undefined,
  }
  return model
}
