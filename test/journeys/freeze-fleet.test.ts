/** Many integrations are frozen at once: all tokens die in time, whichever replica finds them. */
import t from 'tap'
import { eventually } from '../support/eventually.ts'
import { startFleet } from '../support/fleet.ts'

t.setTimeout(120_000)

const COUNT = 200
/** As 1,000 within 60 s. */
const WITHIN_MS = 12_000

t.test('the tokens of many integrations are dead in time', async (t) => {
  const fleet = await startFleet(t, { replicas: 2 })
  const { simulator, call } = fleet
  const left = Array.from({ length: COUNT }, (_, index) => `many-${index}`)
  const worker = async () => {
    for (let name = left.pop(); name; name = left.pop()) {
      await fleet.integrate(name)
      t.equal((await call('GET', `/tokens/${name}`)).status, 200)
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  t.equal(simulator.sessions().length, COUNT)
  const body = { selector: { all: true }, reason: 'a test' }
  const { id } = (await call('POST', '/freezes', { body })).body
  await eventually(() => simulator.sessions().length === 0, WITHIN_MS)
  const done = await eventually(async () => {
    const found = (await call('GET', `/freezes/${id}`)).body
    return found.state === 'done' && found
  }, WITHIN_MS)
  t.match(done, {
    integrations: { selected: COUNT, looked_at: COUNT },
    tokens: { done: COUNT, left: 0, failed: 0 },
  })
})
