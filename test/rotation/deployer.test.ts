import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { NOBODY } from '../../src/audit/event.ts'
import { createDeployer } from '../../src/rotation/deployer.ts'
import { DEPLOYMENTS, newDeployment } from '../../src/rotation/deployment.ts'
import { createEmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { partOf } from '../support/part.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

t.test('a deployment that cannot continue is taken again after a pause', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-deployer-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const store = createEmbeddedStore({ dataDir, now: () => 1 })
  t.teardown(() => store.close())
  const of = { uid: 'u', credential: 'c', by: NOBODY }
  await DEPLOYMENTS.claim(store.documents, 'billing', newDeployment(of, 1), { expected: 'absent' })
  const trouble = Promise.withResolvers<void>()
  const first = Promise.withResolvers<void>()
  let tries = 0
  let pauses = 0
  const deployer = createDeployer({
    ...partOf<Parameters<typeof createDeployer>[0]>({ log: testLog() }),
    deployments: {
      ...store.documents,
      async underLock() {
        tries += 1
        if (tries === 1) await first.promise
        throw new Error('the store is away')
      },
    },
    runtime: testRuntime({
      now: () => 1,
      async sleep(ms, signal) {
        if (ms === 5_000 && tries === 1) {
          pauses += 1
          return trouble.promise
        }
        // Nothing but a wake, or the end, ends another pause.
        if (signal && !signal.aborted) await once(signal, 'abort')
      },
    }),
  })
  t.teardown(() => deployer.stop())
  deployer.start()
  await eventually(() => tries === 1)
  first.resolve()
  await eventually(() => pauses === 1)
  t.equal(tries, 1, 'it is not taken again during the pause')
  trouble.resolve()
  await eventually(() => tries === 2)
})
