import t from 'tap'
import type { FaultRule } from '../../simulator/faults.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { activeId, defineDeployable, deploy, phaseIs, stageKey } from '../support/deployable.ts'
import { eventually } from '../support/eventually.ts'
import { startRestartable } from '../support/restartable.ts'

t.setTimeout(120_000)

/** Where the broker dies: in the middle of a request to Salesforce, before or after that has its effect. */
const DEATHS: Readonly<Record<string, FaultRule>> = {
  'before the upload': { kind: 'hold', endpoint: 'metadata' },
  'after the upload': { kind: 'hold', endpoint: 'metadata', afterCommit: true },
  'before the proof': { kind: 'hold', endpoint: 'token' },
  'after the proof': { kind: 'hold', endpoint: 'token', afterCommit: true },
}

t.test('killed in any phase, it is carried on by who comes after', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const broker = await startRestartable(t, simulator)
  const app = await defineDeployable(t, simulator, broker.call)
  t.equal((await broker.call('GET', '/tokens/billing')).status, 200)
  for (const [when, rule] of Object.entries(DEATHS)) {
    const id = await stageKey(broker)
    const isProof = rule.endpoint === 'token'
    const fault = simulator.addFault({
      ...rule,
      times: null,
      ...(isProof && { clientId: app.clientId }),
    })
    await deploy(broker, id)
    await eventually(() => fault.holding() > 0)
    await broker.kill()
    fault.remove()
    await broker.restart()
    await phaseIs(broker, id, 'activated')
    t.equal(await activeId(broker), id, when)
    simulator.endSessions()
    await broker.call('DELETE', '/tokens/billing')
    t.equal((await broker.call('GET', '/tokens/billing')).status, 200, when)
  }
})
