/** A Salesforce whose app requires DPoP, and callers that may have proofs. */
import type { Test } from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import type { Answer } from '../support/caller.ts'
import { clientCredentials, type Way, type World, world } from './salesforce-world.ts'

export const REQUESTS = ['GET /services/data/*/query', 'PATCH /services/data/*/sobjects/Account/*']

export interface Asked {
  readonly requests: readonly { readonly method: string; readonly url: string }[]
  readonly token_id?: string
  readonly rejected?: string
  readonly nonce?: string
}

export async function proofsWorld(t: Test) {
  const salesforce = await world(t)
  const { simulator, broker } = salesforce
  const { call } = broker
  await bind(salesforce, 'bound')
  const keyFor = async (name: string, change: object = {}): Promise<string> => {
    const permissions = ['tokens:prove']
    const body = { name, permissions, integrations: ['bound'], requests: REQUESTS, ...change }
    const made = await call('POST', '/api-keys', { body })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body.key
  }
  const key = await keyFor('prover')
  const prove = (
    body: Asked | object,
    { key: by = key, name = 'bound' }: { readonly key?: string; readonly name?: string } = {},
  ): Promise<Answer> => call('POST', `/tokens/${name}/proofs`, { key: by, body })
  const data = `${simulator.origins.myDomain}/services/data/v66.0`
  const query = { method: 'GET', url: `${data}/query?q=SELECT+Id+FROM+Organization` }

  return {
    ...salesforce,
    keyFor,
    key,
    prove,
    data,
    query,
    /** Settings of DPoP at Salesforce. */
    configure: (changes: Partial<typeof DEFAULT_SETTINGS.dpop>) =>
      simulator.configure({ dpop: { ...DEFAULT_SETTINGS.dpop, ...changes } }),
    /** As a client sends it. */
    send: (
      { method, url }: Asked['requests'][number],
      token: string,
      proof: string | undefined,
      scheme = 'DPoP',
    ) =>
      fetch(url, {
        method,
        headers: {
          authorization: `${scheme} ${token}`,
          ...(proof !== undefined && { dpop: proof }),
        },
        redirect: 'error',
      }),
  }
}

/** An integration with tokens that work with proofs only. */
export async function bind(
  { simulator, broker }: World,
  name: string,
  way: Way = clientCredentials,
): Promise<string> {
  const { app, body } = way(simulator)
  const put = await broker.call('PUT', `/integrations/${name}`, {
    body: { ...body, dpop: { mode: 'on' } },
  })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  simulator.updateApp(app.clientId, { dpopRequired: true })
  return app.clientId
}

/** The claims of a proof. */
export const claimsOf = (proof: string): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString())
