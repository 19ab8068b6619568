/** The rules of `store/custody.ts`, said once more in memory: what the engines are held to, and what models run on. */
import type { Custodies, CustodyRecord } from '../../src/store/custody.ts'
import {
  type CustodyAge,
  DOUBTED_PREFIX,
  type DoubtKind,
  UNANSWERED_SUFFIX,
} from '../../src/store/custody-age.ts'

/** What a file of the store holds: what is put back with it. */
export interface ModelFile {
  readonly records: ReadonlyMap<string, CustodyRecord>
  readonly noted: number
  readonly branch: string
  readonly knownRun: string | null
  readonly doubtedRun: string | null
  readonly doubt: CustodyAge['doubt']
}

export interface ModelCustodies extends Custodies {
  records: ReadonlyMap<string, CustodyRecord>
  file(): ModelFile
  /** The server ends, and another one reads this file. */
  restart(file?: ModelFile): void
  /** False: a server that does not tell its runs apart. */
  tellsRuns: boolean
  /** False: the guard of SPEND is taken out. */
  isGuarded: boolean
}

/** Of integrations whose uid is `u1`. */
export function createModelCustodies(now: () => number): ModelCustodies {
  const change = (name: string, changes: Partial<CustodyRecord>) => {
    const record = model.records.get(name)
    if (record) put(name, { ...record, ...changes })
  }
  const put = (name: string, record: CustodyRecord) => {
    model.records = new Map(model.records).set(name, record)
  }
  const runs = { count: 1, at: now() }
  const point = () => `${state.branch}/${state.noted}`
  const run = () => (model.tellsRuns ? `run-${runs.count}` : '')
  let state: Omit<ModelFile, 'records'> = {
    ...{ noted: 0, branch: '', knownRun: null, doubtedRun: null, doubt: null },
  }
  const isDoubted = ({ state: is, id }: CustodyRecord) =>
    is === 'spend' && id.startsWith(DOUBTED_PREFIX)
  /** Undefined: as it is. */
  const changeAll = (
    transition: (record: CustodyRecord) => Partial<CustodyRecord> | undefined,
  ): number => {
    let count = 0
    for (const [name, record] of model.records) {
      const changes = transition(record)
      if (!changes) continue
      change(name, changes)
      count += 1
    }
    return count
  }
  const doubtedCount = () => [...model.records.values()].filter(isDoubted).length
  const model: ModelCustodies = {
    records: new Map(),
    tellsRuns: true,
    isGuarded: true,
    file: () => ({ ...state, records: model.records }),
    restart({ records, ...rest } = model.file()) {
      model.records = records
      state = rest
      runs.count += 1
      runs.at = now()
    },
    async age() {
      const { noted, knownRun, doubt } = state
      const here = { run: run(), runAt: runs.at, point: point(), now: now() }
      return { id: 's1', knownRun, noted, doubt, ...here }
    },
    async vouch(of, sure) {
      if (of !== run() || state.doubt?.kind === 'rewound') return false
      if (sure !== null && sure !== (state.doubt?.point ?? point())) return false
      state = { ...state, knownRun: of, doubt: null }
      changeAll((record) => {
        if (!isDoubted(record)) return undefined
        const id = record.id.slice(DOUBTED_PREFIX.length)
        return { id, state: id.endsWith(UNANSWERED_SUFFIX) ? 'spend' : 'idle', at: now() }
      })
      return true
    },
    async distrust({ id, kind, noted }) {
      const former = point()
      const isOnce = run() !== '' && state.doubtedRun === run()
      const count = changeAll((record) => {
        if (isOnce || record.state === 'dead') return undefined
        const isAnswered = isDoubted(record) && !record.id.endsWith(UNANSWERED_SUFFIX)
        if (record.state === 'idle' || isAnswered) {
          return { state: 'spend', id, at: now(), isFinal: false }
        }
        return { id: `${id}${UNANSWERED_SUFFIX}`, at: now() }
      })
      const isDoubt = doubtedCount() > 0
      const worst: DoubtKind = state.doubt?.kind === 'rewound' ? 'rewound' : kind
      state = {
        ...{
          noted: Math.max(state.noted, noted) + 1,
          branch: id,
          knownRun: run(),
          doubtedRun: run(),
        },
        doubt: isDoubt ? { kind: worst, point: state.doubt?.point ?? former } : state.doubt,
      }
      return count
    },
    async takeForRestored({ id, all, forAnyRun }) {
      const count = changeAll((record) => {
        if (isDoubted(record)) return { id }
        return all && record.state === 'idle' ? { state: 'spend', id, at: now() } : undefined
      })
      state = {
        ...state,
        knownRun: forAnyRun ? null : run(),
        doubtedRun: run(),
        doubt: null,
        branch: id,
      }
      return count
    },
    async doubted() {
      const count = doubtedCount()
      if (count === 0) state = { ...state, doubt: null }
      return count
    },
    async read(name) {
      return { record: model.records.get(name), now: now() }
    },
    async begin(name, { uid, expected, family, token, reason, body }) {
      if (uid !== 'u1') return 'gone'
      if ((model.records.get(name)?.family ?? null) !== expected) return 'changed'
      const first = token === '' ? 'dead' : 'idle'
      put(name, {
        ...{ uid, family, g: 0, token, state: first, id: '', at: now(), keptAt: now() },
        ...{ isFinal: false, reason, body },
      })
      return 'begun'
    },
    async spend(name, { family, g, id, next, isFinal, noted }) {
      if (model.isGuarded) {
        if (state.noted < noted) return 'rewound'
        if (state.knownRun !== run()) return 'new_run'
      }
      const record = model.records.get(name)
      const isSame = record?.family === family && record.g === g && record.id === id
      if (!isSame || record.state === 'dead') return 'changed'
      change(name, { state: 'spend', id: next, at: now(), isFinal })
      state = { ...state, noted: state.noted + 1 }
      return { noted: state.noted, point: state.doubt ? null : point() }
    },
    async unspend(name, id) {
      const record = model.records.get(name)
      if (record?.id !== id || record.state !== 'spend') return false
      change(name, { state: 'idle', at: now(), isFinal: false })
      return true
    },
    async keep(name, { family, g, token, doubt }) {
      const record = model.records.get(name)
      if (record?.family !== family) return false
      const is =
        doubt === undefined
          ? ({ state: 'idle' } as const)
          : ({ state: 'spend', id: doubt } as const)
      const kept = { ...is, at: now(), keptAt: now(), isFinal: false, reason: '' }
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
    claim: async () => ({ names: [], nextInMs: Number.POSITIVE_INFINITY }),
    lookAt: async () => undefined,
  }
  return model
}
