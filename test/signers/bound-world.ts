/** Integrations whose tokens are bound to a key at a signer, where Salesforce requires proofs. */
import { calculateJwkThumbprint, exportJWK, importSPKI } from 'jose'
import type { Test } from 'tap'
import type { Simulator } from '../../simulator/handle.ts'
import type { Call } from '../support/caller.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { expect } from '../support/rotatable.ts'

interface BoundPlace {
  readonly simulator: Simulator
  readonly call: Call
  /** The integration. */
  readonly name: string
}

/** How a definition names the key. */
export const boundTo = (signer: object) => ({ dpop: { mode: 'on', key_storage: { signer } } })

export const thumbprintOf = async (pem: string): Promise<string> =>
  calculateJwkThumbprint(await exportJWK(await importSPKI(pem, 'ES256')))

export async function boundAt({ simulator, call, name }: BoundPlace) {
  const app = simulator.addClientCredentialsApp({ dpopRequired: true })
  const path = `/integrations/${name}`
  const permissions = ['tokens:prove', 'tokens:read']
  const requests = ['GET /services/data/*/query']
  const body = { name: `prover-${name}`, permissions, integrations: [name], requests }
  const { key } = (await expect(201, call('POST', '/api-keys', { body }))).body
  const url = `${simulator.origins.myDomain}/services/data/v66.0/query?q=SELECT+Id+FROM+Organization`
  const headers = { 'if-match': '*' }
  const prove = (by = key, count = 1) =>
    call('POST', `/tokens/${name}/proofs`, {
      ...{ key: by, body: { requests: Array(count).fill({ method: 'GET', url }) } },
    })
  /** What a gateway asks. */
  const pass = (by = key) =>
    call('GET', `/gateway/${name}`, {
      key: by,
      headers: { 'x-forwarded-method': 'GET', 'x-forwarded-uri': new URL(url).pathname },
    })
  const send = async (authorization: string, dpop: string | null) =>
    (await fetch(url, { headers: { authorization, ...(dpop !== null && { dpop }) } })).status

  return {
    key,
    app,
    prove,
    pass,
    put: (members: object, isThere = false) =>
      call('PUT', path, {
        body: {
          login_url: simulator.origins.myDomain,
          grant: { type: 'client_credentials', client_id: app.clientId },
          credential: { client_secret: app.clientSecret },
          ...members,
        },
        ...(isThere && { headers }),
      }),
    patch: (body: object) =>
      call('PATCH', path, {
        ...{ body, headers: { ...headers, 'content-type': 'application/merge-patch+json' } },
      }),
    async renew() {
      await lifeKnown(call, name)
      await expect(204, call('DELETE', `/tokens/${name}`))
      return call('GET', `/tokens/${name}`)
    },
    lease: async () => (await call('GET', path)).body.status.lease,
    /** A proof of the door for services, and one of the door for gateways, are taken by Salesforce once each. */
    async assertTaken(t: Test) {
      const { access_token: token, proofs } = (await expect(200, prove())).body
      t.equal(await send(`DPoP ${token}`, proofs[0]), 200, 'Salesforce takes the proof')
      t.equal(await send(`DPoP ${token}`, proofs[0]), 401, 'and not twice')
      const { headers } = await expect(200, pass())
      const status = await send(headers.get('authorization') ?? '', headers.get('dpop'))
      t.equal(status, 200, 'also that of the gateway door')
    },
  }
}
