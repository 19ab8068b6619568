/** Watches the keyring of this replica: announces its keys, and reports a key that a record or another replica needs and this keyring lacks. */

import type { Keyring } from '../crypto/keyring.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { type Census, type CensusTaker, NO_COUNTS, totalOf } from './census.ts'
import { ANNOUNCE_MS, lacking, type Replicas } from './replicas.ts'

const RETRY_MS = 1_000
/** Interval of counts of the whole store. It is shorter while records cannot be opened. */
const CENSUS_MS = { usual: 3_600_000, troubled: 60_000 }

export function createKeyringWatch(dependencies: {
  readonly keyring: Pick<Keyring, 'sealingKeyId' | 'keyIds'>
  readonly census: CensusTaker
  readonly replicas: Replicas
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { keyring, census, replicas, runtime, log } = dependencies
  const { monotonic } = runtime
  const { sealingKeyId } = keyring
  let lost: string | undefined
  let mixed: string | undefined
  let countAt = Number.NEGATIVE_INFINITY

  const judgeStore = ({ keys, missing, unreadable }: Census) => {
    const before = lost
    lost = undefined
    if (missing.size > 0) {
      const ids = [...missing.keys()].join(', ')
      const count = [...missing.keys()].reduce(
        (sum, id) => sum + totalOf(keys.get(id) ?? NO_COUNTS),
        0,
      )
      lost = `${count} records are sealed with a key that is not in the keyring: ${ids}`
    }
    if (lost === before) return
    if (lost === undefined) log.info({}, 'the keyring can open every record again')
    for (const [key, names] of missing) {
      log.error(
        {
          keyId: key,
          records: totalOf(keys.get(key) ?? NO_COUNTS),
          first: names.join(', '),
          unreadable,
        },
        'records are sealed with a key that is not in the keyring: restore the key, otherwise they are lost',
      )
    }
  }

  const judgeReplicas = async () => {
    const others = await replicas.list()
    const before = mixed
    const [blind] = lacking(others, sealingKeyId)
    const strange = others.find(
      ({ keys }) => keys[0] !== undefined && !keyring.keyIds.includes(keys[0]),
    )
    if (blind) mixed = `replica ${blind.id} lacks the key that this one seals with: ${sealingKeyId}`
    else if (strange) {
      mixed = `replica ${strange.id} seals with a key that this one lacks: ${strange.keys[0]}`
    } else mixed = undefined
    if (mixed === before) return
    if (mixed === undefined) log.info({}, 'all replicas can again open what the others seal')
    else log.error({ trouble: mixed }, 'the keyrings of the replicas are not compatible')
  }

  const task = createTask({
    ...{ runtime, retryMs: RETRY_MS },
    outage: createOutageLogger(log, 'the keyring cannot be checked', runtime),
    async work() {
      await replicas.announce()
      if (monotonic() >= countAt) {
        judgeStore(await census.take())
        countAt = monotonic() + (lost === undefined ? CENSUS_MS.usual : CENSUS_MS.troubled)
      }
      // Last, because it fails while the record of another replica is not usable.
      await judgeReplicas()
      return ANNOUNCE_MS
    },
  })

  return {
    /** Describes the problem in one sentence. Undefined: there is none, or it is not known yet. */
    trouble: (): string | undefined => lost ?? mixed,
    start: task.start,
    async stop(): Promise<void> {
      await task.stop()
      await replicas.leave().catch((error: unknown) => {
        log.warn({ err: error }, 'this replica could not announce its shutdown')
      })
    },
  }
}
