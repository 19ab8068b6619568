/** A store whose every operation is measured, and which is otherwise the one given. */
import type { Store } from './store.ts'

/** The operations that are measured; `changes.read` waits for news, and counts only when it fails. */
const OPERATIONS = {
  integrations: ['read', 'readSealed', 'list', 'create', 'change', 'remove', 'confirm'],
  outcomes: ['look', 'save', 'forgetRefusal', 'revoke', 'holders'],
  locks: ['acquire', 'renew', 'release'],
  due: ['mark', 'claim', 'unmark', 'size'],
  custody: ['read', 'begin', 'spend', 'unspend', 'keep', 'kill', 'distrust', 'claim', 'lookAt'],
  budgets: ['take', 'used'],
  documents: ['read', 'list', 'write', 'remove'],
  events: ['append', 'put', 'read'],
  changes: ['tail', 'read'],
  seals: ['list', 'swapSecrets', 'swapLease', 'swapRefreshToken', 'macs', 'swapMac'],
} as const satisfies { readonly [Part in keyof Store]?: readonly (keyof Store[Part])[] }

type Part = keyof typeof OPERATIONS

const WAITING = 'changes.read'

/** `part.operation`, as metrics name them. */
export const STORE_OPERATIONS: readonly string[] = Object.entries(OPERATIONS).flatMap(
  ([part, names]) => names.map((name) => `${part}.${name}`),
)
export const MEASURED_OPERATIONS = STORE_OPERATIONS.filter((operation) => operation !== WAITING)

/** Where the figures of one operation go. Neither may throw. */
export interface OperationMeter {
  done(tookMs: number): void
  failed(error: unknown): void
}

export interface MeasuredStoreDependencies {
  /** Called once for each operation. */
  readonly meterOf: (operation: string) => OperationMeter
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
  /** Runs an operation, for whoever wants to see it run. */
  readonly around?: (operation: string, run: () => Promise<unknown>) => Promise<unknown>
}

type Operation = (...args: readonly unknown[]) => Promise<unknown>

export function measuredStore(store: Store, dependencies: MeasuredStoreDependencies): Store {
  const { meterOf, monotonic, around } = dependencies

  const measured = (operation: string, run: Operation): Operation => {
    const meter = meterOf(operation)
    const isWaiting = operation === WAITING
    return (...args) => {
      const startedAt = monotonic()
      const result = around ? around(operation, () => run(...args)) : run(...args)
      result.then(
        () => {
          if (!isWaiting) meter.done(monotonic() - startedAt)
        },
        (error: unknown) => {
          if (!isWaiting) meter.done(monotonic() - startedAt)
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
