import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { NOBODY } from '../../src/audit/event.ts'
import { createDeployer } from '../../src/rotation/deployer.ts'
import { DEPLOYMENTS, newDeployment } from '../../src/rotation/deployment.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { partOf } from '../support/part.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

/** A replica with one deployment that is due, at a time that stands still. */
async function replica(
  t: Test,
  { underLock, sleep }: { underLock(): Promise<undefined>; sleep: Runtime['sleep'] },
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-deployer-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const store = createEmbeddedStore({ dataDir, now: () => 1 })
  t.teardown(() => store.close())
  const of = { uid: 'u', credential: 'c', by: NOBODY }
  await DEPLOYMENTS.claim(store.documents, 'billing', newDeployment(of, 1), { expected: 'absent' })
  const deployer = createDeployer({
    ...partOf<Parameters<typeof createDeployer>[0]>({ log: testLog() }),
    deployments: { ...store.documents, underLock },
    runtime: testRuntime({ now: () => 1, sleep }),
  })
  t.teardown(() => deployer.stop())
  deployer.start()
}

/** Nothing but a wake, or the end, ends this pause. */
const woken = async (signal: AbortSignal | undefined): Promise<void> => {
  if (signal && !signal.aborted) await once(signal, 'abort')
}

t.test('a deployment that cannot continue is taken again after a pause', async (t) => {
  const trouble = Promise.withResolvers<void>()
  const first = Promise.withResolvers<void>()
  let tries = 0
  let pauses = 0
  await replica(t, {
    async underLock() {
      tries += 1
      if (tries === 1) await first.promise
      throw new Error('the store is away')
    },
    async sleep(ms, signal) {
      if (ms !== 5_000 || tries > 1) return woken(signal)
      pauses += 1
      return trouble.promise
    },
  })
  await eventually(() => tries === 1)
  first.resolve()
  await eventually(() => pauses === 1)
  t.equal(tries, 1, 'it is not taken again during the pause')
  trouble.resolve()
  await eventually(() => tries === 2)
})

t.test('a deployment at which another replica works is not asked for all the time', async (t) => {
  let tries = 0
  let pauses = 0
  const over = Promise.withResolvers<void>()
  await replica(t, {
    async underLock() {
      tries += 1
      if (tries > 3) await over.promise
      return undefined
    },
    async sleep(_, signal) {
      pauses += 1
      return woken(signal)
    },
  })
  await eventually(() => pauses >= 1)
  for (let turns = 0; turns < 20; turns += 1) await setImmediate()
  over.resolve()
  t.equal(tries, 1, 'its writes wake, or the usual look')
})
