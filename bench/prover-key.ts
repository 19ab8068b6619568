/** A key that may prove one kind of request, and such a request. */
import type { MeasuredBroker } from './setting.ts'

export const PROVEN_PATH = '/services/data/v66.0/query?q=SELECT+Id+FROM+Organization'

export async function proverKey(
  broker: MeasuredBroker,
  name: string,
  permission: 'tokens:prove' | 'tokens:read',
): Promise<string> {
  const made = await broker.process.call('POST', '/api-keys', {
    body: {
      ...{ name, integrations: ['*'], permissions: [permission] },
      requests: ['GET /services/data/*/query'],
    },
  })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  return made.body.key
}
