/** Wraps a store and measures each operation. */
import { isStoreAway } from '../errors/errors.ts'
import type { Store } from './store.ts'

/** Measured operations. `changes.wait` waits for changes, so only its failures count. */
const OPERATIONS = {
  integrations: ['read', 'readSealed', 'list', 'create', 'change', 'remove', 'confirm'],
  outcomes: ['look', 'save', 'forgetRefusal', 'revoke', 'holders', 'sharers'],
  listing: ['select', 'groupsOf', 'counts', 'stale', 'put', 'mark', 'rebuild', 'build'],
  locks: ['acquire', 'renew', 'release'],
  due: ['mark', 'claim', 'unmark', 'size'],
  custody: [
    ...['read', 'begin', 'spend', 'unspend', 'keep', 'kill', 'claim', 'lookAt'],
    ...['age', 'vouch', 'distrust', 'takeForRestored', 'doubted'],
  ],
  budgets: ['take', 'takeUnderLock', 'used'],
  documents: ['read', 'list', 'write', 'remove'],
  events: ['append', 'put', 'read'],
  changes: ['tail', 'pulse', 'wait', 'read', 'announce'],
  seals: ['list', 'swapSecrets', 'swapLease', 'swapRefreshToken', 'macs', 'swapMac'],
} as const satisfies { readonly [Part in keyof Store]?: readonly (keyof Store[Part])[] }

type Part = keyof typeof OPERATIONS

const WAITING = 'changes.wait'

/** Reads of one record, for which callers wait, and the pulse, which is as short and comes where nobody reads. Lists and durable writes may take longer. */
const READS: ReadonlySet<string> = new Set([
  'changes.pulse',
  ...['integrations.read', 'integrations.readSealed', 'outcomes.look'],
  ...['documents.read', 'custody.read', 'budgets.used'],
])

/** `part.operation`, as in metrics. */
export const STORE_OPERATIONS: readonly string[] = Object.entries(OPERATIONS).flatMap(
  ([part, names]) => names.map((name) => `${part}.${name}`),
)
export const MEASURED_OPERATIONS = STORE_OPERATIONS.filter((operation) => operation !== WAITING)

/** Receives the measurements of one operation. Must not throw. */
interface OperationMeter {
  done(tookMs: number): void
  failed(error: unknown): void
}

interface MeasuredStoreDependencies {
  /** Called once for each operation. */
  readonly meterOf: (operation: string) => OperationMeter
  /** Monotonic clock, in milliseconds. */
  readonly monotonic: () => number
  /** Called after a read for which a caller may wait. Must not throw. */
  readonly onRead?: (tookMs: number, isAnswered: boolean) => void
  /** Runs an operation, for traces. */
  readonly around?: (operation: string, run: () => Promise<unknown>) => Promise<unknown>
}

type Operation = (...args: readonly unknown[]) => Promise<unknown>

export function measuredStore(store: Store, dependencies: MeasuredStoreDependencies): Store {
  const { meterOf, monotonic, around, onRead } = dependencies

  const measured = (operation: string, run: Operation): Operation => {
    const meter = meterOf(operation)
    const isWaiting = operation === WAITING
    const onEnd = READS.has(operation) ? onRead : undefined
    return (...args) => {
      const startedAt = monotonic()
      const result = around ? around(operation, () => run(...args)) : run(...args)
      const end = (isAnswered: boolean) => {
        const tookMs = monotonic() - startedAt
        if (!isWaiting) meter.done(tookMs)
        onEnd?.(tookMs, isAnswered)
      }
      result.then(
        () => end(true),
        (error: unknown) => {
          end(!isStoreAway(error))
          meter.failed(error)
        },
      )
      return result
    }
  }

  const partOf = <Name extends Part>(name: Name): Store[Name] => {
    const part = store[name] as unknown as Readonly<Record<string, Operation>>
    const operations = OPERATIONS[name].map((operation) => [
      operation,
      measured(`${name}.${operation}`, (...args) => {
        const run = part[operation]
        if (!run) throw new TypeError(`The store has no ${name}.${operation}`)
        return run.apply(part, [...args])
      }),
    ])
    return { ...part, ...Object.fromEntries(operations) } as Store[Name]
  }

  return {
    ...store,
    integrations: partOf('integrations'),
    outcomes: partOf('outcomes'),
    listing: partOf('listing'),
    locks: partOf('locks'),
    due: partOf('due'),
    custody: partOf('custody'),
    budgets: partOf('budgets'),
    documents: partOf('documents'),
    events: partOf('events'),
    changes: partOf('changes'),
    seals: partOf('seals'),
  }
}
