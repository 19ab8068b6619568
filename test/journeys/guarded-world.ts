/** A Salesforce, a broker, and callers with few permissions. */
import type { Test } from 'tap'
import { type Way, world } from './salesforce-world.ts'

export async function guarded(t: Test) {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const put = async (name: string, way: Way, members: object = {}) => {
    const { app, body } = way(simulator)
    const made = await broker.call('PUT', `/integrations/${name}`, {
      body: { ...body, ...members },
    })
    t.equal(made.status, 201, JSON.stringify(made.body))
    return { app, body }
  }
  const keyFor = async (name: string, permissions: readonly string[], integrations: string[]) => {
    const { body } = await broker.call('POST', '/api-keys', {
      body: { name, permissions, integrations },
    })
    return body.key as string
  }
  const live = () => simulator.sessions().map(({ token }) => token)
  return { ...salesforce, put, keyFor, live }
}
