/** Foreign witnesses: a certified client against the simulator, and our proofs against a certified server. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'oauth4webapi'
import { Provider } from 'oidc-provider'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Secret } from '../../src/crypto/secret.ts'
import { generateDpopKey, type StoredDpopKey } from '../../src/dpop/dpop-key.ts'
import { createDpopNonces } from '../../src/dpop/nonces.ts'
import { createProvenOutbound } from '../../src/dpop/proven-outbound.ts'
import type { OutboundOutcome, OutboundRequest } from '../../src/http/outbound/outbound.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'

t.test('a certified client gets and uses a bound token at the simulator', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const { myDomain } = simulator.origins
  const app = simulator.addClientCredentialsApp({ dpopRequired: true })
  const server = { issuer: myDomain, token_endpoint: `${myDomain}/services/oauth2/token` }
  const client = { client_id: app.clientId }
  const DPoP = oauth.DPoP({}, await oauth.generateKeyPair('ES256'))
  const options = { DPoP, [oauth.allowInsecureRequests]: true }
  const auth = oauth.ClientSecretPost(app.clientSecret)
  const ask = async () =>
    oauth.processClientCredentialsResponse(
      server,
      client,
      await oauth.clientCredentialsGrantRequest(server, client, auth, {}, options),
    )
  const challenged = await ask().catch((error: unknown) => error)
  t.ok(oauth.isDPoPNonceError(challenged), 'the challenge is one by the standard')
  const { token_type: type, access_token: token } = await ask()
  t.equal(type, 'dpop')
  const session = simulator.sessions().find((one) => one.token === token)
  t.equal(session?.jkt, await DPoP.calculateThumbprint())
  const url = new URL(`${myDomain}/services/data/v65.0/`)
  const used = await oauth.protectedResourceRequest(
    ...([token, 'GET', url, new Headers(), null, options] as const),
  )
  t.equal(used.status, 200)
})

/** An authorization server that a foundation certified, DPoP included. */
async function provider(t: Test) {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const issuer = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const server = new Provider(issuer, {
    clients: [
      {
        ...{ client_id: 'broker', client_secret: 'secret', redirect_uris: [] },
        ...{ grant_types: ['client_credentials'], response_types: [] },
        token_endpoint_auth_method: 'client_secret_post',
        dpop_bound_access_tokens: true,
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    },
  })
  listener.on('request', server.callback())
  t.teardown(() => new Promise((resolve) => listener.close(resolve)))
  return issuer
}

async function send({ url, method = 'GET', headers = {}, body }: OutboundRequest) {
  const answer = await fetch(url, {
    method,
    headers,
    ...(body !== undefined && { body: String(body) }),
  })
  return {
    ...{ ok: true, status: answer.status, headers: Object.fromEntries(answer.headers) },
    body: Buffer.from(await answer.arrayBuffer()),
  } as OutboundOutcome
}

t.test('a certified server takes our proofs, and follows them to the key', async (t) => {
  const issuer = await provider(t)
  const sent: OutboundRequest[] = []
  const outbound = createProvenOutbound({
    signers: NO_SIGNERS,
    outbound: {
      send: (request) => {
        sent.push(request)
        return send(request)
      },
    },
    nonces: createDpopNonces({ uniqueId: randomUUID, log: { warn: () => undefined } }),
    ...{ nowAt: Date.now, uniqueId: randomUUID },
  })
  const form = (members: Readonly<Record<string, string>>): string =>
    new URLSearchParams({ client_id: 'broker', client_secret: 'secret', ...members }).toString()
  const post = async (path: string, body: string, key?: StoredDpopKey, accessToken?: Secret) => {
    const request = {
      ...{ url: `${issuer}${path}?a=1`, method: 'POST' as const, body },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }
    const proving = key && { key, ...(accessToken && { accessToken }) }
    const outcome = await outbound.send(request, proving)
    if (!outcome.ok) throw new Error(outcome.reason)
    return { status: outcome.status, body: JSON.parse(outcome.body.toString()) }
  }
  const key = generateDpopKey()
  const grant = form({ grant_type: 'client_credentials' })
  const { status, body } = await post('/token', grant, key)
  t.match({ status, body }, { status: 200, body: { token_type: 'DPoP' } }, JSON.stringify(body))
  t.equal(sent.length, 2, 'after one challenge')
  const seen = await post('/token/introspection', form({ token: body.access_token }))
  t.match(seen.body, { active: true, token_type: 'DPoP', cnf: { jkt: key.thumbprint } })
  const again = await post('/token', grant, key)
  t.equal(again.status, 200)
  t.equal(sent.length, 4, 'the nonce is used again')
  const without = await post('/token', grant)
  t.equal(without.status, 400, 'and it insists on a proof')
})
